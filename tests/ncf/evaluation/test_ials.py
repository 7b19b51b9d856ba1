"""Skipped where the extra `als` is not installed."""

import sys

import numpy as np
import pytest
import torch

from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError
from ncf.evaluation.baselines import IALS, Popularity, can_ials
from ncf.evaluation.ranking import HoldoutRanker
from tests.ncf.toy_data import random_data

pytest.importorskip("implicit")


def ials(data: PreparedData, seed: int = 0, iterations: int = 15, alpha: float = 1.0) -> IALS:
    return IALS(data, factors=4, regularization=0.1, alpha=alpha, iterations=iterations, seed=seed)


def test_it_finds_the_pattern_that_popularity_can_not(board: PreparedData) -> None:
    ranker = HoldoutRanker(board, "test")
    summary = ranker.rank_all(ials(board)).summary(1)
    assert summary["full/hr_at_1"].value == summary["sampled/hr_at_1"].value == 1.0
    assert ranker.rank_all(Popularity(board)).summary(1)["full/hr_at_1"].value < 0.5


def test_the_seed_decides(board: PreparedData) -> None:
    users = torch.arange(board.num_users)
    one, again, other = (ials(board, seed).score_all(users) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_scores_are_those_of_users_and_items_in_the_order_asked(board: PreparedData) -> None:
    model = ials(board)
    scores = model.score_all(torch.tensor([5, 2]))
    assert scores.shape == (2, board.num_items)
    assert scores.dtype == torch.float32
    assert scores.numpy() == pytest.approx(model.users.numpy()[[5, 2]] @ model.items.numpy().T, abs=1e-6)


def test_the_factors_solve_the_weighted_least_squares(rng: np.random.Generator) -> None:
    """An item's factors, the last to be solved for, against the closed form with all users (Hu et al., eq. 5)."""
    data = random_data(rng, num_users=40, num_items=30)
    seen = np.zeros((40, 30))
    seen[data.train.users, data.train.items] = 1
    alpha = 3.0
    model = ials(data, iterations=60, alpha=alpha)
    users, items = model.users.double().numpy(), model.items.double().numpy()
    for item in range(30):
        weight = np.where(seen[:, item] > 0, alpha, 1.0)
        left = (users * weight[:, None]).T @ users + 0.1 * np.eye(4)
        right = (users * weight[:, None]).T @ seen[:, item]
        assert items[item] == pytest.approx(np.linalg.solve(left, right), abs=0.01)


def test_it_is_known_to_be_there() -> None:
    assert can_ials()


def test_a_package_that_can_not_be_imported_is_named(board: PreparedData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)  # Python's own way to forbid an import
    with pytest.raises(ConfigError, match=r"needs the package implicit.*pip install -c constraints.txt -e .\.\[als\]"):
        ials(board)
