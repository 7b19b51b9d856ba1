"""Losses, optimizers, schedules and clipping against plain computation."""

import math
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from typing_extensions import override

from ncf.config import TrainingConfig
from ncf.data.prepared import PreparedData
from ncf.hardware import HardwareConfig
from ncf.training.fit import Training, fit
from ncf.training.objective import LOSSES
from tests.ncf.training.small_models import GMF_KIND, LEARN, NEUMF_KIND, new_model

LOGITS = [[2.0, -1.0, 0.5], [-0.3, 0.0, 1.2]]
LABELS = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def by_hand(loss: str) -> float:
    terms: list[float] = []
    for positive, *negatives in LOGITS:
        if loss == "bce":
            terms += [-math.log(sigmoid(positive)), *(-math.log(1 - sigmoid(x)) for x in negatives)]
        elif loss == "mse":
            terms += [(1 - sigmoid(positive)) ** 2, *(sigmoid(x) ** 2 for x in negatives)]
        elif loss == "least-squares":
            terms += [(1 - positive) ** 2, *(x**2 for x in negatives)]
        else:
            terms += [-math.log(sigmoid(positive - x)) for x in negatives]
    return float(np.mean(terms))


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_a_loss_has_its_value_and_its_gradient(loss: str) -> None:
    logits = torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True)
    assert LOSSES[loss](logits, LABELS).item() == pytest.approx(by_hand(loss), abs=1e-12)
    assert torch.autograd.gradcheck(LOSSES[loss], (logits, LABELS))


def test_the_gradient_of_cross_entropy_is_probability_minus_label() -> None:
    logits = torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True)
    LOSSES["bce"](logits, LABELS).backward()
    expected = [[(sigmoid(x) - (column == 0)) / 6 for column, x in enumerate(row)] for row in LOGITS]
    assert logits.grad is not None
    np.testing.assert_allclose(logits.grad.numpy(), expected, rtol=1e-12)


@pytest.fixture(scope="module")
def plain(board: PreparedData) -> Training:
    """What the options are held against."""
    return fit(new_model(NEUMF_KIND, board), board, LEARN, seed=0)


@pytest.mark.parametrize(
    "change",
    [
        {"loss": "bpr"},
        {"loss": "mse", "learning_rate": 0.05},
        {"loss": "least-squares"},
        {"optimizer": "adamw", "weight_decay": 0.01},
        {"schedule": "linear"},
        {"schedule": "cosine"},
        {"gradient_clip": 0.05},
        {"negatives": "popularity"},
        {"negatives": "all"},
        {"negatives": "all", "loss": "mse", "learning_rate": 0.05},
        {"negatives": "all", "loss": "least-squares", "unobserved_weight": 0.5},
        {"negatives": "all", "unobserved_weight": 0.5, "gradient_clip": 0.05},
    ],
    ids=str,
)
def test_every_option_learns_the_checkerboard(board: PreparedData, plain: Training, change: dict[str, Any]) -> None:
    config = LEARN.model_copy(update=change)
    training = fit(new_model(NEUMF_KIND, board), board, config, seed=0)
    assert training.best_validation > 0.7 * plain.best_validation
    assert not torch.equal(training.model.state_dict()["gmf.head"], plain.model.state_dict()["gmf.head"])


def test_bf16_learns_the_checkerboard(board: PreparedData, plain: Training) -> None:
    training = fit(new_model(NEUMF_KIND, board), board, LEARN, seed=0, hardware=HardwareConfig(precision="bf16-mixed"))
    assert training.model.state_dict()["gmf.head"].dtype == torch.float32
    assert training.best_validation > 0.7 * plain.best_validation


def test_bf16_learns_the_checkerboard_from_all_pairs(board: PreparedData) -> None:
    config, hardware = LEARN.model_copy(update={"negatives": "all"}), HardwareConfig(precision="bf16-mixed")
    training = fit(new_model(NEUMF_KIND, board), board, config, seed=0, hardware=hardware)
    assert training.model.state_dict()["gmf.head"].dtype == torch.float32
    assert training.best_validation > 0.7 * fit(new_model(NEUMF_KIND, board), board, config, seed=0).best_validation


class Rates(pl.Callback):
    """The learning rate that each Lightning step used."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    @override
    def on_train_batch_end(self, trainer: pl.Trainer, *args: object) -> None:
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.02, 0.02, 0.02, 0.02]),
        ("linear", [0.02, 0.015, 0.01, 0.005]),
        ("cosine", [0.02, 0.01 * (1 + math.sqrt(0.5)), 0.01, 0.01 * (1 - math.sqrt(0.5))]),
    ],
)
def test_the_learning_rate_falls_as_scheduled(board: PreparedData, schedule: str, expected: list[float]) -> None:
    rates = Rates()
    config = LEARN.model_copy(update={"schedule": schedule, "max_epochs": 4, "patience": 9, "batch_size": 2**20})
    fit(new_model(GMF_KIND, board), board, config, seed=0, callbacks=[rates])
    assert rates.rates == pytest.approx(expected)


def test_clipping_bounds_the_step(board: PreparedData) -> None:
    def moved(clip: float | None) -> float:
        config = TrainingConfig(optimizer="sgd", learning_rate=1.0, batch_size=2**20, max_epochs=1, gradient_clip=clip)
        before, model = new_model(GMF_KIND, board), new_model(GMF_KIND, board)
        rates = Last()
        fit(model, board, config, seed=0, callbacks=[rates])
        parts = [(rates.weights[name] - value).square().sum() for name, value in before.state_dict().items()]
        return float(torch.stack(parts).sum().sqrt())

    free = moved(None)
    assert moved(free / 10) == pytest.approx(free / 10, rel=1e-3)
    assert moved(free * 10) == pytest.approx(free, rel=1e-5)


class Last(pl.Callback):
    """The weights after the last step, whether they were the best or not."""

    weights: dict[str, torch.Tensor]

    @override
    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        model = pl_module.get_submodule("model")
        assert isinstance(model, torch.nn.Module)
        self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
