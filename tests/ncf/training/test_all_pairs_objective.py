"""The loss over all pairs and its gradient: against dense computations, and as what sampling means on average."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncf.config import TrainingConfig
from ncf.data.prepared import PreparedData
from ncf.hardware import HardwareConfig
from ncf.models.build import Model
from ncf.models.gmf import GMF
from ncf.training import all_pairs
from ncf.training.all_pairs import make_batches
from ncf.training.fit import fit
from ncf.training.objective import step_loss
from tests.ncf.toy_data import literal_data, pairs, random_data
from tests.ncf.training.small_models import (
    GMF_KIND,
    MLP_KIND,
    NEUMF_KIND,
    Recorder,
    check_one_step,
    new_model,
    scrambled_model,
)

KINDS = [GMF_KIND, MLP_KIND, NEUMF_KIND]
Gradients = dict[str, Tensor]
Array = NDArray[np.float64]


def small(labels: bool = False) -> PreparedData:
    """Four users: 0 has one item, 1 has three, 2 has all six, 3 has none."""
    train = pairs([(0, 1), (1, 0), (1, 2), (1, 5), *((2, item) for item in range(6))])
    values = np.linspace(0.1, 1.0, 10, dtype=np.float32) if labels else None
    return replace(literal_data((10, 20, 30, 40)), train=train, labels=values)


def settings(**changes: Any) -> TrainingConfig:
    return TrainingConfig.model_validate({"negatives": "all", "batch_size": 2**20, **changes})


def dense(data: PreparedData, config: TrainingConfig) -> tuple[Array, Array]:
    """Weights and labels of the whole matrix, one pair after the other."""
    labels, weights = np.zeros((2, data.num_users, data.num_items))
    for row, (user, item) in enumerate(zip(data.train.users, data.train.items, strict=True)):
        labels[user, item] = 1.0 if data.labels is None else data.labels[row]
        weights[user, item] = 1.0
    for user in range(data.num_users):
        positives = int(weights[user].sum())
        drawn = config.num_negatives * positives / max(1, data.num_items - positives)
        unobserved = drawn if config.unobserved_weight is None else config.unobserved_weight
        weights[user][weights[user] == 0] = unobserved if positives else 0.0
    return weights, labels


def plain_loss(model: Model, data: PreparedData, config: TrainingConfig) -> Tensor:
    """All pairs scored as single samples are, in the order of the matrix; float64."""
    weights, labels = (torch.as_tensor(value) for value in dense(data, config))
    users, items = torch.arange(data.num_users), torch.arange(data.num_items).repeat(data.num_users, 1)
    logits = model(users, items)
    probability = torch.sigmoid(logits)
    if config.loss == "bce":
        each = -labels * probability.log() - (1 - labels) * (1 - probability).log()
    else:
        each = ((logits if config.loss == "least-squares" else probability) - labels) ** 2
    tables = {name: value for name, value in model.named_parameters() if "embedding" in name}
    if config.l2_over == "tables":
        return (weights * each).sum() / weights.sum() + config.embedding_l2 * sum(
            ((value**2).sum() for value in tables.values()), torch.zeros(())
        )
    for name, value in tables.items():
        rows = value[users][:, None] if "user_embedding" in name else value[items]
        each = each + config.embedding_l2 * (rows**2).sum(dim=-1)
    return (weights * each).sum() / weights.sum()


def gradients(model: Model, loss: Tensor) -> Gradients:
    names, values = zip(*model.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, values), strict=True))


def whole_epoch(model: Model, data: PreparedData, config: TrainingConfig, epoch: int = 0) -> tuple[float, Gradients]:
    """Loss and gradients of the epoch's only step, of one block or many."""
    batches: Any = make_batches(data, config, 0)
    batches.epoch = epoch
    [steps] = list(batches)
    assert [step.last for step in steps] == [False] * (len(steps) - 1) + [True]
    loss = torch.stack([step_loss(model, config, step) * step.weight for step in steps]).sum()
    return loss.item(), gradients(model, loss)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"loss": "mse", "num_negatives": 7},
        {"unobserved_weight": 0.3},
        {"embedding_l2": 0.5},
        {"embedding_l2": 0.5, "unobserved_weight": 0.2, "loss": "mse"},
        {"embedding_l2": 0.5, "unobserved_weight": 0.2, "loss": "least-squares"},
        {"embedding_l2": 0.5, "l2_over": "tables"},
    ],
    ids=str,
)
@pytest.mark.parametrize("labels", [False, True], ids=["implicit", "explicit"])
@pytest.mark.parametrize("block", [1, 12, 10**6])
def test_loss_and_gradients_are_those_of_the_whole_matrix(
    kind: str, changes: dict[str, Any], labels: bool, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(all_pairs, "PAIRS_PER_BLOCK", block)
    data, config = small(labels), settings(**changes)
    loss, found = whole_epoch(scrambled_model(kind, data), data, config)
    expected_loss = plain_loss(exact := scrambled_model(kind, data).double(), data, config)
    expected = gradients(exact, expected_loss)
    assert loss == pytest.approx(expected_loss.item(), rel=1e-5)
    for name, value in expected.items():
        torch.testing.assert_close(found[name].double(), value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("loss", ["bce", "mse", "least-squares"])
def test_gmf_against_derivatives_by_hand(loss: str) -> None:
    """In numpy, without automatic derivatives: d loss / d logit, then the chain rule of h . (p * q) + b."""
    data, config = small(), settings(loss=loss, embedding_l2=0.1)
    model = scrambled_model(GMF_KIND, data)
    assert isinstance(model, GMF)
    p, q, h = (value.detach().double().numpy() for value in (*_tables(model), model.head))
    weights, labels = dense(data, config)
    logits = (p * h) @ q.T + model.bias.item()
    probability = 1 / (1 + np.exp(-logits))
    slope = probability - labels
    if loss == "least-squares":
        slope = 2 * (logits - labels)
    elif loss == "mse":
        slope = 2 * slope * probability * (1 - probability)
    slope = slope * weights / weights.sum()
    shares = weights / weights.sum()
    expected = {
        "user_embedding.weight": slope @ q * h + 0.2 * p * shares.sum(axis=1, keepdims=True),
        "item_embedding.weight": slope.T @ p * h + 0.2 * q * shares.sum(axis=0)[:, None],
        "head": ((slope @ q) * p).sum(axis=0),
        "bias": slope.sum(),
    }
    _, found = whole_epoch(model, data, config)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name].numpy(), value, rtol=1e-4, atol=1e-6)


def _tables(model: GMF) -> tuple[Tensor, Tensor]:
    return model.user_embedding.weight, model.item_embedding.weight


@pytest.mark.parametrize("loss", ["bce", "mse", "least-squares"])
def test_drawn_negatives_give_this_on_average(loss: str, board: PreparedData) -> None:
    """The more epochs are averaged, the nearer their loss and gradient come to the exact ones."""
    model, changes = scrambled_model(GMF_KIND, board), {"loss": loss, "embedding_l2": 0.2, "num_negatives": 3}
    exact_loss, exact = whole_epoch(model, board, settings(**changes))
    config = settings(**changes, negatives="uniform")
    epochs = [whole_epoch(model, board, config, epoch) for epoch in range(64)]

    def distance(count: int) -> float:
        means = {name: torch.stack([found[name] for _, found in epochs[:count]]).mean(dim=0) for name in exact}
        squares = [(means[name] - exact[name]).square().sum() for name in exact]
        return float(
            torch.stack(squares).sum().sqrt() / torch.stack([g.square().sum() for g in exact.values()]).sum().sqrt()
        )

    assert np.mean([value for value, _ in epochs]) == pytest.approx(exact_loss, rel=0.002)
    assert distance(64) < 0.03
    assert 4 < distance(1) / distance(64) < 16  # errors fall with the root of the number: 8


def test_training_reports_the_loss_of_the_whole_matrix(board: PreparedData) -> None:
    config = settings(optimizer="sgd", learning_rate=1e-12, batch_size=350, max_epochs=1, embedding_l2=0.1)
    recorder = Recorder()
    fit(scrambled_model(GMF_KIND, board), board, config, seed=4, callbacks=[recorder])
    assert recorder.last_loss == pytest.approx(
        plain_loss(scrambled_model(GMF_KIND, board), board, config).item(), rel=1e-4
    )
    assert recorder.optimizer_steps == 13  # of 8 users each


@pytest.mark.parametrize("kind", KINDS)
def test_one_step_of_sgd_follows_the_gradient_in_blocks_of_one_user(
    kind: str, board: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(all_pairs, "PAIRS_PER_BLOCK", 1)
    config = settings(optimizer="sgd", learning_rate=0.25, max_epochs=1, embedding_l2=0.1)
    model = scrambled_model(kind, board)
    check_one_step(model, plain_loss(model, board, config), board, config)


def test_one_user_of_a_hundred_thousand_items_is_a_step(rng: np.random.Generator) -> None:
    data = random_data(rng, 2, 100_000)
    recorder = Recorder()
    config = settings(batch_size=2, max_epochs=1)
    training = fit(new_model(NEUMF_KIND, data), data, config, seed=0, callbacks=[recorder], hardware=HardwareConfig())
    assert recorder.optimizer_steps == 2
    assert all(value.isfinite().all() for value in training.model.state_dict().values())
