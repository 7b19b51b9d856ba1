import numpy as np
import pytest
import torch

from ncf.models import mlp as module
from ncf.models.mlp import MLP
from ncf.training.objective import samples_l2
from tests.ncf.toy_data import scramble


def literal_mlp() -> MLP:
    """Two users and items, one factor each, a hidden layer of two."""
    model = MLP(2, 2, (2, 2), generator=torch.Generator())
    with torch.no_grad():
        model.user_embedding.weight.copy_(torch.tensor([[1.0], [2.0]]))
        model.item_embedding.weight.copy_(torch.tensor([[3.0], [-4.0]]))
        model.tower[0].get_parameter("weight").copy_(torch.tensor([[1.0, 1.0], [1.0, -1.0]]))
        model.tower[0].get_parameter("bias").copy_(torch.tensor([0.5, 0.0]))
        model.head.copy_(torch.tensor([2.0, 10.0]))
        model.bias.fill_(-1.0)
    return model


def test_logits_by_hand() -> None:
    logits = literal_mlp()(torch.tensor([0, 1]), torch.tensor([[0, 1], [0, 1]]))
    # user 0, item 0: hidden relu(1 + 3 + 0.5), relu(1 - 3); logit 2 * 4.5 + 10 * 0 - 1
    assert logits.tolist() == [[8.0, 49.0], [10.0, 59.0]]


def numpy_logits(model: MLP, users: np.ndarray, items: np.ndarray) -> list[list[float]]:
    """The paper's equation 10, one pair at a time."""
    weights = {name: value.double().numpy() for name, value in model.state_dict().items()}

    def logit(user: int, item: int) -> float:
        z = np.concatenate([weights["user_embedding.weight"][user], weights["item_embedding.weight"][item]])
        for layer in range(len(model.tower)):
            z = np.maximum(weights[f"tower.{layer}.weight"] @ z + weights[f"tower.{layer}.bias"], 0)
        return float(weights["head"] @ z + weights["bias"])

    return [[logit(user, item) for item in row] for user, row in zip(users, items, strict=True)]


def test_logits_of_a_tower_of_three_layers(rng: np.random.Generator, generator: torch.Generator) -> None:
    model = MLP(5, 7, (6, 5, 4, 3), generator=generator)
    assert len(model.tower) == 3
    scramble(model, generator)
    users, items = rng.integers(0, 5, 40), rng.integers(0, 7, (40, 3))
    found = model(torch.as_tensor(users), torch.as_tensor(items))
    np.testing.assert_allclose(found.detach().numpy(), numpy_logits(model, users, items), rtol=1e-4, atol=1e-5)


def scrambled_mlp(generator: torch.Generator, layers: tuple[int, ...] = (6, 5, 4, 3)) -> MLP:
    model = MLP(9, 11, layers, generator=generator)
    scramble(model, generator)
    return model


@pytest.mark.parametrize("layers", [(6, 5, 4, 3), (4, 3)])
@pytest.mark.parametrize("tile", [1, 5 * 4, 5 * 11, 5 * 11 * 2, 2**20])  # parts of a row, one row, two, all rows
def test_the_whole_catalogue_against_the_formula(
    layers: tuple[int, ...], tile: int, generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TILE", tile)
    model = scrambled_mlp(generator, layers)
    users = np.array([3, 0, 8, 3, 5])
    with torch.inference_mode():
        found = model.score_all(torch.as_tensor(users))
        assert model.score_all(torch.empty(0, dtype=torch.int64)).shape == (0, 11)
    np.testing.assert_allclose(
        found, numpy_logits(model, users, np.arange(11)[None].repeat(5, 0)), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("tile", [5 * 4, 2**20])
def test_the_whole_catalogue_has_the_gradients_of_the_pairs(
    tile: int, generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TILE", tile)
    model, users = scrambled_mlp(generator), torch.tensor([3, 0, 8])
    weights = torch.randn(3, 11, generator=generator)
    gradients = [
        torch.autograd.grad((logits * weights).sum(), list(model.parameters()))
        for logits in (model.score_all(users), model(users, torch.arange(11).repeat(3, 1)))
    ]
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_dropout_acts_in_training_only(generator: torch.Generator) -> None:
    model = MLP(50, 50, (16, 8, 4), dropout=0.5, generator=generator)
    users, items = torch.arange(50), torch.arange(50)[:, None]
    torch.manual_seed(1)
    assert not torch.equal(model.train()(users, items), model(users, items))
    assert torch.equal(model.eval()(users, items), model(users, items))


def test_dropout_keeps_the_mean_of_the_hidden_units() -> None:
    model = literal_mlp()
    model.dropout.p = 0.5
    torch.manual_seed(1)
    with torch.no_grad():
        users, items = torch.zeros(20_000, dtype=torch.int64), torch.zeros(20_000, 1, dtype=torch.int64)
        logits = model.train()(users, items)
    assert sorted(set(logits.flatten().tolist())) == [-1.0, 17.0]  # the one active unit dropped, or doubled
    assert abs(logits.mean().item() - 8.0) < 0.3


def test_the_l2_of_samples_is_the_mean_over_the_samples() -> None:
    norm = samples_l2(literal_mlp(), torch.tensor([0, 1]), torch.tensor([[0, 1, 0], [0, 1, 1]]))
    assert norm.item() == (1 + 4) / 2 + (3 * 9 + 3 * 16) / 6


def test_dropout_leaves_the_whole_catalogues_logits_as_they_are_on_average(generator: torch.Generator) -> None:
    model = MLP(3, 5, (6, 8), 0.5, generator=generator)  # one hidden layer: the logit is linear in what is dropped
    scramble(model, generator)
    with torch.no_grad():
        users = torch.tensor([2, 0])
        expected = model.eval().score_all(users)
        torch.manual_seed(1)
        drawn = torch.stack([model.train().score_all(users) for _ in range(4000)])
    assert (drawn.std(dim=0) > 0.1).any()
    torch.testing.assert_close(drawn.mean(dim=0), expected, rtol=0.0, atol=0.4)


def test_a_few_samples_score_as_many_do(generator: torch.Generator) -> None:
    """More samples than items are scored by one product for each item."""
    model = scrambled_mlp(generator)
    few, many = torch.tensor([[0, 3, 3]]), torch.arange(11).expand(5, -1)
    scores = model(torch.arange(5), many)
    torch.testing.assert_close(model(torch.tensor([2]), few)[0], scores[2, [0, 3, 3]])
