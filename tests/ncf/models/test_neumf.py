from copy import deepcopy

import numpy as np
import pytest
import torch

from ncf.errors import ModelError
from ncf.models.gmf import GMF
from ncf.models.mlp import MLP
from ncf.models.neumf import NeuMF
from ncf.training.objective import samples_l2
from tests.ncf.toy_data import scramble


def halves(num_users: int = 6, num_items: int = 9) -> tuple[GMF, MLP]:
    """A GMF and an MLP as after training: no weight is small, no bias is zero."""
    generator = torch.Generator()
    gmf = GMF(num_users, num_items, 3, generator=generator)
    mlp = MLP(num_users, num_items, (6, 4, 2), generator=generator)
    scramble(gmf, torch.Generator().manual_seed(1))
    scramble(mlp, torch.Generator().manual_seed(2))
    return gmf, mlp


def test_logits_are_one_head_over_the_concatenated_halves(rng: np.random.Generator) -> None:
    model = NeuMF(5, 7, 3, (6, 5, 4, 2), generator=torch.Generator())
    scramble(model, torch.Generator().manual_seed(3))
    weights = {name: value.double().numpy() for name, value in model.state_dict().items()}
    h = np.concatenate([weights["gmf.head"], weights["mlp.head"]])
    assert h.shape == (3 + 2,)

    def logit(user: int, item: int) -> float:
        phi_gmf = weights["gmf.user_embedding.weight"][user] * weights["gmf.item_embedding.weight"][item]
        z = np.concatenate([weights["mlp.user_embedding.weight"][user], weights["mlp.item_embedding.weight"][item]])
        for layer in range(3):
            z = np.maximum(weights[f"mlp.tower.{layer}.weight"] @ z + weights[f"mlp.tower.{layer}.bias"], 0)
        return float(h @ np.concatenate([phi_gmf, z]) + weights["gmf.bias"] + weights["mlp.bias"])

    users, items = rng.integers(0, 5, 20), rng.integers(0, 7, (20, 3))
    expected = [[logit(user, item) for item in row] for user, row in zip(users, items, strict=True)]
    found = model(torch.as_tensor(users), torch.as_tensor(items)).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
def test_pretrained_logits_are_the_weighed_logits_of_the_two(alpha: float) -> None:
    gmf, mlp = halves()
    gmf.double()
    mlp.double()
    model = NeuMF.from_pretrained(gmf, mlp, alpha)
    users, items = torch.arange(6), torch.arange(9).repeat(6, 1)
    expected = alpha * gmf(users, items) + (1 - alpha) * mlp(users, items)
    torch.testing.assert_close(model(users, items), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(model.score_all(users), expected, rtol=0, atol=1e-6)


def test_pretraining_copies_embeddings_and_tower_and_weighs_head_and_bias() -> None:
    gmf, mlp = halves()
    ours = NeuMF.from_pretrained(gmf, mlp, 0.25).state_dict()
    for name, half, weight in (("gmf", gmf, 0.25), ("mlp", mlp, 0.75)):
        for key, value in half.state_dict().items():
            expected = value * weight if key in ("head", "bias") else value
            assert torch.equal(ours[f"{name}.{key}"], expected)


def test_the_originals_do_not_change_nor_share_memory() -> None:
    gmf, mlp = halves()
    before = [deepcopy(half.state_dict()) for half in (gmf, mlp)]
    model = NeuMF.from_pretrained(gmf, mlp, 0.3)
    scramble(model, torch.Generator().manual_seed(4))
    for half, state in zip((gmf, mlp), before, strict=True):
        assert all(torch.equal(half.state_dict()[name], value) for name, value in state.items())


def test_the_pretrained_model_has_the_parts_of_one_built_from_scratch() -> None:
    scratch = NeuMF(6, 9, 3, (6, 4, 2), generator=torch.Generator())
    pretrained = NeuMF.from_pretrained(*halves(), alpha=0.5)
    assert {n: p.shape for n, p in pretrained.named_parameters()} == {n: p.shape for n, p in scratch.named_parameters()}
    scratch.load_state_dict(pretrained.state_dict())
    users = torch.arange(6)
    assert torch.equal(scratch.score_all(users), pretrained.score_all(users))


@pytest.mark.parametrize(("users", "items"), [(7, 9), (6, 8)])
def test_halves_of_other_sizes_are_refused_with_their_sizes(users: int, items: int) -> None:
    gmf, _ = halves()
    _, mlp = halves(users, items)
    with pytest.raises(ModelError, match=rf"\[\(6, 9\), \({users}, {items}\)\]; allowed: equal numbers"):
        NeuMF.from_pretrained(gmf, mlp, 0.5)


def test_the_l2_of_samples_is_the_sum_of_the_halves() -> None:
    model = NeuMF(4, 5, 3, (6, 2), generator=torch.Generator())
    scramble(model, torch.Generator().manual_seed(5))
    users, items = np.array([0, 3, 3]), np.array([[1, 2], [0, 4], [4, 4]])
    expected = 0.0
    for half in ("gmf", "mlp"):
        p = model.state_dict()[f"{half}.user_embedding.weight"].numpy()
        q = model.state_dict()[f"{half}.item_embedding.weight"].numpy()
        expected += np.mean([np.sum(p[user] ** 2) for user in users])
        expected += np.mean([np.sum(q[item] ** 2) for item in items.ravel()])
    assert samples_l2(model, torch.as_tensor(users), torch.as_tensor(items)).item() == pytest.approx(expected, rel=1e-5)
