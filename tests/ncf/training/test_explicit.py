"""Training on explicit feedback: the labels of the batches, the losses over them, and what is learned from them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ncf.config import TrainingConfig
from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError, ModelError
from ncf.models.build import Model
from ncf.training.batches import Step, TrainingBatches
from ncf.training.fit import fit
from tests.ncf.toy_data import pair_rows, pairs
from tests.ncf.training.small_models import GMF_KIND, KINDS, LEARN, Recorder, new_model, scrambled_model


def liked(user: int, item: int) -> float:
    """On the checkerboard: a user likes every other item of the user's own colour."""
    return 1.0 if (item // 2 + user // 2) % 2 else 0.2


@pytest.fixture(scope="module")
def rated(board: PreparedData) -> PreparedData:
    return replace(board, labels=np.array([liked(*pair) for pair in pair_rows(board.train)], dtype=np.float32))


def steps_of(batches: TrainingBatches) -> list[Step]:
    return [step for call in batches for step in call]


@pytest.mark.parametrize("batch_size", [2, 64, 10_000])
def test_a_positive_has_its_own_label_and_a_negative_0(batch_size: int, rated: PreparedData) -> None:
    batches = TrainingBatches(rated, batch_size, 4, seed=3)
    met = 0
    for batches.epoch in (0, 1):
        for step in steps_of(batches):
            assert step.labels.dtype == torch.float32
            assert step.labels.shape == step.items.shape
            expected = [liked(*pair) for pair in zip(step.users.tolist(), step.items[:, 0].tolist(), strict=True)]
            assert step.labels[:, 0].tolist() == pytest.approx(expected)
            assert not step.labels[:, 1:].any()
            met += len(step.users)
    assert met == 2 * len(rated.train)


def test_labels_change_neither_the_order_nor_the_negatives(board: PreparedData, rated: PreparedData) -> None:
    for plain, labelled in zip(
        steps_of(TrainingBatches(board, 64, 4, seed=3)), steps_of(TrainingBatches(rated, 64, 4, seed=3)), strict=True
    ):
        assert torch.equal(plain.users, labelled.users)
        assert torch.equal(plain.items, labelled.items)


@pytest.mark.parametrize("world_size", [2, 3])
def test_every_process_has_the_labels_of_its_own_rows(world_size: int, rated: PreparedData) -> None:
    alone = steps_of(TrainingBatches(rated, 64, 4, seed=3))
    shares = [
        steps_of(TrainingBatches(rated, 64, 4, seed=3, rank=rank, world_size=world_size)) for rank in range(world_size)
    ]
    for whole, parts in zip(alone, zip(*shares, strict=True), strict=True):
        assert torch.equal(whole.labels, torch.cat([part.labels[: part.counted] for part in parts]))


def test_labels_of_users_without_negatives_go_with_them(literal: PreparedData) -> None:
    everything: Sequence[tuple[int, int]] = [(1, item) for item in range(6)]
    data = replace(
        literal,
        train=pairs([(0, 0), *everything, (2, 3)]),
        labels=np.array([0.25, *[0.5] * 6, 0.75], dtype=np.float32),
    )
    [step] = steps_of(TrainingBatches(data, 20, 4, seed=0))
    assert dict(zip(step.users.tolist(), step.labels[:, 0].tolist(), strict=True)) == {0: 0.25, 2: 0.75}


def by_numpy(loss: str, model: Model, users: Tensor, items: Tensor, labels: list[list[float]]) -> float:
    with torch.no_grad():
        logits = model(users, items).double().numpy()
    probability, label = 1 / (1 + np.exp(-logits)), np.array(labels)
    if loss == "mse":
        return float(((probability - label) ** 2).mean())
    if loss == "least-squares":
        return float(((logits - label) ** 2).mean())
    return float(-(label * np.log(probability) + (1 - label) * np.log(1 - probability)).mean())


@pytest.mark.parametrize("loss", ["bce", "mse", "least-squares"])
def test_the_loss_is_that_of_the_fractional_labels(loss: str, rated: PreparedData) -> None:
    still = TrainingConfig.model_validate(
        {"loss": loss, "optimizer": "sgd", "learning_rate": 1e-12, "batch_size": 100, "max_epochs": 1}
    )
    model, recorder = scrambled_model(GMF_KIND, rated), Recorder()
    steps = steps_of(TrainingBatches(rated, 100, 4, seed=4))
    users, items = torch.cat([step.users for step in steps]), torch.cat([step.items for step in steps])
    labels = [
        [liked(user, positive), 0.0, 0.0, 0.0, 0.0]
        for user, (positive, *_) in zip(users.tolist(), items.tolist(), strict=True)
    ]
    expected = by_numpy(loss, model, users, items, labels)
    fit(model, rated, still, seed=4, callbacks=[recorder])
    assert recorder.last_loss == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_liked_comes_before_what_is_disliked_and_that_before_the_unknown(
    kind: str, rated: PreparedData
) -> None:
    model = fit(new_model(kind, rated), rated, LEARN.model_copy(update={"patience": 40}), seed=0).model
    with torch.no_grad():
        probability = torch.sigmoid(model.score_all(torch.arange(rated.num_users)))
    rows = pair_rows(rated.train)
    of_train = np.array([probability[pair].item() for pair in rows])
    high = np.array([liked(*pair) > 0.5 for pair in rows])
    unknown = np.array([probability[user, (user + 1) % 2 :: 2].mean().item() for user in range(rated.num_users)])
    assert np.median(of_train[high]) > 2 * np.median(of_train[~high]) > 2 * np.median(unknown)
    assert (of_train[high][:, None] > of_train[~high]).mean() > 0.9


def test_bpr_is_refused_before_any_training(rated: PreparedData) -> None:
    with pytest.raises(ConfigError, match=r"uses labels: 'bpr'; allowed: bce, mse, least-squares"):
        fit(new_model(GMF_KIND, rated), rated, LEARN.model_copy(update={"loss": "bpr"}), seed=0)


def test_a_checkpoint_of_other_labels_is_refused(board: PreparedData, rated: PreparedData, tmp_path: Path) -> None:
    folder = tmp_path
    one = LEARN.model_copy(update={"max_epochs": 1})
    assert rated.labels is not None
    other = replace(rated, labels=1.2 - rated.labels)
    assert len({data.fingerprint for data in (board, rated, other)}) == 3
    fit(new_model(GMF_KIND, rated), rated, one, seed=0, checkpoint_folder=folder)
    for data in (board, other):
        with pytest.raises(ModelError, match="belongs to another training"):
            fit(new_model(GMF_KIND, data), data, one, seed=0, checkpoint_folder=folder)
