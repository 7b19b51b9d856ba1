"""EASE against its definition, a ridge regression for each item."""

import numpy as np
import pytest
import torch

from ncf.config import RecencyConfig
from ncf.evaluation.baselines import EASE
from tests.ncf.toy_data import literal_data


@pytest.mark.parametrize(("recency", "older"), [(RecencyConfig(), 1.0), (RecencyConfig(half_life=1, floor=0.2), 0.6)])
def test_ease_is_the_ridge_regression_of_each_item_on_the_others(recency: RecencyConfig, older: float) -> None:
    seen = np.zeros((3, 6))
    seen[[0, 1, 2], 0] = older  # of each user's two items the first one, which everybody has
    seen[[0, 1, 2], [1, 2, 3]] = 1
    weights = np.zeros((6, 6))
    for item in range(6):
        others = [other for other in range(6) if other != item]
        x, y = seen[:, others], seen[:, item]
        weights[others, item] = np.linalg.solve(x.T @ x + 2.0 * np.eye(5), x.T @ y)
    scores = EASE(literal_data(), l2=2.0, recency=recency).score_all(torch.arange(3)).numpy()
    assert scores == pytest.approx(seen @ weights, abs=1e-6)
