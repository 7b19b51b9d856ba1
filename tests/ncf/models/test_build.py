"""What holds for every model."""

import math

import pytest
import torch
from torch import Tensor

from ncf.config import GMFConfig, MLPConfig, ModelConfig, NeuMFConfig
from ncf.models.build import Model, build_model
from ncf.models.gmf import GMF
from ncf.models.mlp import MLP
from ncf.models.neumf import NeuMF
from tests.ncf.toy_data import scramble

CONFIGS: list[ModelConfig] = [
    GMFConfig(embedding_dim=24),
    MLPConfig(layers=(48, 16, 8)),
    NeuMFConfig(embedding_dim=24, layers=(48, 16, 8)),
]
NUM_USERS, NUM_ITEMS = 300, 200

every_model = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)


def built(config: ModelConfig, seed: int = 0) -> Model:
    return build_model(config, NUM_USERS, NUM_ITEMS, seed)


def named(model: Model, ending: str) -> dict[str, Tensor]:
    found = {name: value.detach() for name, value in model.named_parameters() if name.endswith(ending)}
    assert found
    return found


def same(one: Model, other: Model) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize(("config", "kind"), zip(CONFIGS, (GMF, MLP, NeuMF), strict=True))
def test_the_config_decides_the_model_and_its_sizes(config: ModelConfig, kind: type[Model]) -> None:
    model = built(config)
    assert type(model) is kind
    for name, value in named(model, "user_embedding.weight").items():
        assert value.shape == (NUM_USERS, 24), name
    for name, value in named(model, "item_embedding.weight").items():
        assert value.shape == (NUM_ITEMS, 24), name
    if config.kind != "gmf":
        weights = [value.shape for name, value in named(model, "weight").items() if "tower" in name]
        assert weights == [(16, 48), (8, 16)]


@pytest.mark.parametrize("kind", [MLPConfig, NeuMFConfig])
def test_the_config_decides_the_dropout(kind: type[MLPConfig] | type[NeuMFConfig]) -> None:
    model = built(kind(dropout=0.25))
    assert [module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)] == [0.25]


@every_model
def test_initial_values_follow_from_the_seed_alone(config: ModelConfig) -> None:
    torch.manual_seed(1)
    first = built(config, seed=5)
    torch.manual_seed(2)
    assert same(first, built(config, seed=5))
    assert not same(first, built(config, seed=6))


@every_model
def test_building_leaves_the_global_random_state_alone(config: ModelConfig) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    built(config)
    assert torch.equal(torch.get_rng_state(), before)


@every_model
def test_embeddings_begin_gaussian_with_deviation_one_hundredth(config: ModelConfig) -> None:
    for value in named(built(config), "embedding.weight").values():
        assert value.std().item() == pytest.approx(0.01, rel=0.05)
        assert abs(value.mean().item()) < 0.0005
        assert (value.abs() > 0.02).float().mean().item() == pytest.approx(0.0455, abs=0.01)  # beyond two deviations


@every_model
def test_biases_begin_at_zero(config: ModelConfig) -> None:
    for value in named(built(config), "bias").values():
        assert torch.equal(value, torch.zeros_like(value))


@every_model
def test_the_head_begins_uniform_for_all_its_inputs(config: ModelConfig) -> None:
    inputs = {"gmf": 24, "mlp": 8, "neumf": 24 + 8}[config.kind]
    limit = math.sqrt(3 / inputs)
    draws = torch.cat([value for seed in range(50) for value in named(built(config, seed), "head").values()])
    assert draws.abs().max().item() <= limit
    assert draws.max().item() > 0.97 * limit
    assert draws.min().item() < -0.97 * limit
    assert draws.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.1)


def test_hidden_layers_begin_glorot_uniform() -> None:
    for seed in range(5):
        layers = [value for name, value in named(built(CONFIGS[1], seed), "weight").items() if "tower" in name]
        for value in layers:
            limit = math.sqrt(6 / sum(value.shape))
            assert 0.9 * limit < value.abs().max().item() <= limit


@every_model
def test_users_and_items_begin_different(config: ModelConfig) -> None:
    for value in named(built(config), "embedding.weight").values():
        assert len({tuple(row) for row in value.tolist()}) == len(value)


@every_model
def test_score_all_is_forward_on_every_item(config: ModelConfig) -> None:
    model = built(config).double()
    scramble(model, torch.Generator().manual_seed(0), std=0.3)
    with torch.no_grad():
        users = torch.tensor([7, 0, 299, 7])
        scores = model.score_all(users)
        expected = model(users, torch.arange(NUM_ITEMS).repeat(4, 1))
    assert scores.shape == (4, NUM_ITEMS)
    torch.testing.assert_close(scores, expected)
    assert torch.equal(scores[0], scores[3])
    assert not torch.equal(scores[0], scores[1])
    with torch.no_grad():
        assert torch.equal(model.score_all(users, model.items_part()), scores)


@every_model
def test_every_parameter_learns(config: ModelConfig) -> None:
    model = built(config)
    model(torch.arange(NUM_USERS), torch.arange(NUM_ITEMS).repeat(NUM_USERS, 1)).square().sum().backward()
    assert all(value.grad is not None and value.grad.abs().sum() > 0 for value in model.parameters())
