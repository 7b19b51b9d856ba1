"""The last training, with the validation pairs among the train pairs, and as many epochs as were found good."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ncf.data.prepared import Holdout, PreparedData
from ncf.data.split import no_pairs
from ncf.errors import ConfigError, ModelError
from ncf.evaluation.ranking import HoldoutRanker
from ncf.training.fit import fit
from tests.ncf.toy_data import literal_data
from tests.ncf.training.small_models import KINDS, LEARN, Recorder, StopAt, new_model, same_weights

FALLING = LEARN.model_copy(update={"max_epochs": 4, "schedule": "linear", "patience": 30})


def without_validation(data: PreparedData) -> PreparedData:
    return replace(data, validation=Holdout(no_pairs(), data.validation.candidates[:0]))


def test_refitted_data_has_the_validation_pairs_at_the_end_of_their_users() -> None:
    data = literal_data()
    refitted = data.refitted()
    pairs = set(zip(data.train.users.tolist(), data.train.items.tolist(), strict=True))
    pairs |= set(zip(data.validation.pairs.users.tolist(), data.validation.pairs.items.tolist(), strict=True))
    found = list(zip(refitted.train.users.tolist(), refitted.train.items.tolist(), strict=True))
    assert set(found) == pairs
    assert len(found) == len(pairs)
    assert [user for user, _ in found] == sorted(user for user, _ in found)
    for user, item in zip(data.validation.pairs.users, data.validation.pairs.items, strict=True):
        assert refitted.train.items[refitted.train.users == user][-1] == item
    assert len(refitted.validation) == 0
    assert refitted.test is data.test
    assert refitted.fingerprint != data.fingerprint
    assert refitted.user_counts.sum() == len(data.train) + len(data.validation)


def test_the_test_is_ranked_among_the_same_items_as_before() -> None:
    data = literal_data()
    before, after = (HoldoutRanker(d, "test").excluded.of_users(torch.arange(3)) for d in (data, data.refitted()))

    def pairs(excluded: tuple[torch.Tensor, torch.Tensor]) -> set[tuple[int, int]]:
        return set(zip(excluded[0].tolist(), excluded[1].tolist(), strict=True))

    assert pairs(before) == pairs(after)


def test_labels_are_not_known_for_the_validation_of_explicit_feedback() -> None:
    explicit = replace(literal_data(), labels=np.ones(len(literal_data().train), dtype=np.float32))
    with pytest.raises(ConfigError, match="explicit feedback"):
        explicit.refitted()


@pytest.mark.parametrize("kind", KINDS)
def test_the_weights_are_those_of_the_same_epoch_of_a_validated_training(kind: str, board: PreparedData) -> None:
    recorder = Recorder()
    fit(new_model(kind, board), board, FALLING, seed=3, callbacks=[recorder])
    last = fit(new_model(kind, board), without_validation(board), FALLING, seed=3, epochs=3)
    assert (last.epochs, last.best_epoch) == (3, 3)
    assert math.isnan(last.best_validation)
    for name, value in last.model.state_dict().items():
        assert torch.equal(value, recorder.states[2][f"model.{name}"]), name


def test_no_epoch_at_all_leaves_the_weights_as_they_are(board: PreparedData) -> None:
    model = new_model(KINDS[0], board)
    assert same_weights(
        fit(model, without_validation(board), FALLING, seed=3, epochs=0).model, new_model(KINDS[0], board)
    )


def test_stopped_in_the_middle_it_goes_on_and_ends_the_same(board: PreparedData, tmp_path: Path) -> None:
    data = board.refitted()
    whole = fit(new_model(KINDS[2], board), data, FALLING, seed=3, epochs=4)
    with pytest.raises(RuntimeError, match="stopped"):
        fit(
            new_model(KINDS[2], board),
            data,
            FALLING,
            seed=3,
            epochs=4,
            checkpoint_folder=tmp_path,
            callbacks=[StopAt(2)],
        )
    recorder = Recorder()
    again = fit(
        new_model(KINDS[2], board),
        data,
        FALLING,
        seed=3,
        epochs=4,
        checkpoint_folder=tmp_path,
        callbacks=[recorder],
    )
    assert len(recorder.states) == 2
    assert same_weights(again.model, whole.model)


def test_a_checkpoint_of_another_number_of_epochs_is_refused(board: PreparedData, tmp_path: Path) -> None:
    fit(new_model(KINDS[0], board), board.refitted(), FALLING, seed=3, epochs=2, checkpoint_folder=tmp_path)
    with pytest.raises(ModelError, match="epochs 2 there, 3 here"):
        fit(new_model(KINDS[0], board), board.refitted(), FALLING, seed=3, epochs=3, checkpoint_folder=tmp_path)


def test_epochs_are_for_data_without_a_validation_holdout_alone(board: PreparedData) -> None:
    with pytest.raises(ConfigError, match="pass data.refitted"):
        fit(new_model(KINDS[0], board), board, FALLING, seed=3, epochs=2)
    with pytest.raises(ConfigError, match="what to do: pass epochs"):
        fit(new_model(KINDS[0], board), board.refitted(), FALLING, seed=3)
    with pytest.raises(ConfigError, match="0 to max_epochs, 4"):
        fit(new_model(KINDS[0], board), board.refitted(), FALLING, seed=3, epochs=5)
