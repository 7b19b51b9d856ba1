"""GMF as matrix factorisation: h all ones, squares of the score, every pair; against alternating least squares."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ncf.config import GMFConfig, TrainingConfig
from ncf.data.prepared import PreparedData
from ncf.models.build import build_model
from ncf.models.gmf import GMF
from ncf.models.neumf import NeuMF
from ncf.training.fit import fit
from tests.ncf.toy_data import random_data
from tests.ncf.training.small_models import MLP_KIND, new_model

WEIGHT, L2 = 0.3, 0.02
PLAIN = GMFConfig(embedding_dim=3, head="ones")
Matrix = NDArray[np.float64]


@pytest.fixture
def some(rng: np.random.Generator) -> PreparedData:
    return random_data(rng, 30, 20)


def observed(data: PreparedData) -> tuple[Matrix, Matrix]:
    """Labels and weights of the whole matrix."""
    labels = np.zeros((data.num_users, data.num_items))
    labels[data.train.users, data.train.items] = 1
    return labels, np.where(labels == 1, 1.0, WEIGHT)


def objective(p: Matrix, q: Matrix, bias: float, labels: Matrix, weights: Matrix) -> float:
    lengths = (p**2).sum(axis=1)[:, None] + (q**2).sum(axis=1)[None]
    return float((weights * ((p @ q.T + bias - labels) ** 2 + L2 * lengths)).sum() / weights.sum())


def solved(fixed: Matrix, targets: Matrix, weights: Matrix) -> Matrix:
    """The rows that are best against fixed columns, each by its normal equations."""
    rows = [
        np.linalg.solve((fixed.T * w) @ fixed + L2 * w.sum() * np.eye(fixed.shape[1]), (fixed.T * w) @ t)
        for t, w in zip(targets, weights, strict=True)
    ]
    return np.stack(rows)


def alternating_least_squares(labels: Matrix, weights: Matrix) -> float:
    """The objective at the best of several starts, after many alternations (Hu, Koren and Volinsky, 2008)."""
    found = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        p, q = (rng.normal(0, 0.1, (size, 3)) for size in labels.shape)
        bias = 0.0
        for _ in range(300):
            p = solved(q, labels - bias, weights)
            q = solved(p, (labels - bias).T, weights.T)
            bias = float((weights * (labels - p @ q.T)).sum() / weights.sum())
        found.append(objective(p, q, bias, labels, weights))
    return min(found)


def test_training_comes_to_the_objective_of_alternating_least_squares(some: PreparedData) -> None:
    data = some.refitted()
    labels, weights = observed(data)
    best = alternating_least_squares(labels, weights)
    config = TrainingConfig(
        loss="least-squares",
        negatives="all",
        unobserved_weight=WEIGHT,
        embedding_l2=L2,
        learning_rate=0.03,
        schedule="linear",
        batch_size=200,
        max_epochs=300,
        patience=300,
    )
    training = fit(build_model(PLAIN, data.num_users, data.num_items, 0), data, config, seed=0, epochs=300)
    model = training.model
    assert isinstance(model, GMF)
    assert torch.equal(model.head, torch.ones(3)), "h is not learned"
    p, q = (table.weight.detach().double().numpy() for table in (model.user_embedding, model.item_embedding))
    assert objective(p, q, model.bias.item(), labels, weights) == pytest.approx(best, rel=0.01)


def test_neumf_from_it_learns_its_head(some: PreparedData) -> None:
    gmf, mlp = build_model(PLAIN, some.num_users, some.num_items, 0), new_model(MLP_KIND, some)
    model = NeuMF.from_pretrained(gmf, mlp, 0.7)  # type: ignore[arg-type]
    assert torch.equal(model.gmf.head, torch.full((3,), 0.7))
    assert all(parameter.requires_grad for parameter in model.parameters())
