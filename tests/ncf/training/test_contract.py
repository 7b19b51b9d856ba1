"""What every model must do on data whose pattern is known."""

from copy import deepcopy
from functools import cache

import pytest
import torch

from ncf.config import TrainingConfig
from ncf.data.prepared import PreparedData
from ncf.evaluation.baselines import Popularity
from ncf.evaluation.ranking import HoldoutRanker
from ncf.training.fit import Training, fit
from tests.ncf.toy_data import checkerboard
from tests.ncf.training.small_models import (
    BRIEF,
    KINDS,
    LEARN,
    WITH_DROPOUT,
    Recorder,
    State,
    new_model,
    state,
    validation_ndcg,
)

every_model = pytest.mark.parametrize("kind", KINDS)
every_model_with_dropout = pytest.mark.parametrize("kind", WITH_DROPOUT)


def same(one: State, other: State) -> bool:
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


def learned(kind: str, data: PreparedData, seed: int = 0, dropout: float = 0.0) -> State:
    """Weights after a few epochs from one and the same start."""
    training = fit(new_model(kind, data, dropout=dropout), data, BRIEF, seed=seed)
    assert training.best_epoch > 0  # else these are the initial weights
    return state(training.model)


@cache
def well_trained(kind: str) -> tuple[Training, Recorder]:
    """Not to be trained on: several tests look at it."""
    board, recorder = checkerboard(), Recorder()
    return fit(new_model(kind, board), board, LEARN, seed=0, callbacks=[recorder]), recorder


def test_popularity_is_at_chance_on_the_checkerboard(board: PreparedData) -> None:
    at_five = HoldoutRanker(board, "test").rank_all(Popularity(board)).summary(5)
    for protocol in ("full", "sampled"):
        assert 0.1 < at_five[f"{protocol}/hr_at_5"].value < 0.4  # 5 of 21 is .24


@every_model
def test_the_planted_pattern_is_found(kind: str, board: PreparedData) -> None:
    ranks = HoldoutRanker(board, "test").rank_all(well_trained(kind)[0].model)
    popularity = HoldoutRanker(board, "test").rank_all(Popularity(board)).summary(5)
    for protocol in ("full", "sampled"):
        assert ranks.summary(1)[f"{protocol}/hr_at_1"].value >= 0.9
        at_five = ranks.summary(5)[f"{protocol}/hr_at_5"].value
        assert at_five >= 0.95
        assert at_five > popularity[f"{protocol}/hr_at_5"].value + 0.5


@every_model
def test_the_same_seed_gives_bitwise_equal_weights(kind: str, board: PreparedData) -> None:
    torch.manual_seed(1)
    first = learned(kind, board, dropout=0.2)
    torch.manual_seed(2)
    assert same(first, learned(kind, board, dropout=0.2))


@every_model
def test_another_seed_gives_other_weights(kind: str, board: PreparedData) -> None:
    assert not same(learned(kind, board, seed=0), learned(kind, board, seed=1))


@every_model_with_dropout
def test_dropout_changes_what_is_learned(kind: str, board: PreparedData) -> None:
    assert not same(learned(kind, board, dropout=0.0), learned(kind, board, dropout=0.2))


@every_model_with_dropout
def test_dropout_follows_the_seed(kind: str, board: PreparedData) -> None:
    assert not same(learned(kind, board, dropout=0.2), learned(kind, board, dropout=0.2, seed=1))


@every_model
def test_a_model_handed_in_evaluation_mode_learns_the_same(kind: str, board: PreparedData) -> None:
    model = new_model(kind, board, dropout=0.2).eval()
    assert same(state(fit(model, board, BRIEF, seed=0).model), learned(kind, board, dropout=0.2))


@every_model
def test_every_weight_is_trained(kind: str, board: PreparedData) -> None:
    model = new_model(kind, board)
    before = state(model)
    after = state(fit(model, board, BRIEF, seed=0).model)
    assert [name for name in before if torch.equal(before[name], after[name])] == []


@every_model
def test_no_epochs_leave_the_initial_weights(kind: str, board: PreparedData) -> None:
    model = new_model(kind, board)
    before = state(model)
    training = fit(model, board, LEARN.model_copy(update={"max_epochs": 0}), seed=0)
    assert same(state(training.model), before)
    assert (training.epochs, training.best_epoch) == (0, 0)
    assert training.best_validation == pytest.approx(validation_ndcg(model, board), abs=1e-12)


@every_model
def test_the_weights_of_the_best_epoch_are_returned(kind: str, board: PreparedData) -> None:
    training, recorder = well_trained(kind)
    values = recorder.validations
    assert len(values) == training.epochs
    assert 0 < training.best_epoch < training.epochs  # else the last epoch would do
    assert training.best_epoch == values.index(max(values)) + 1
    assert training.best_validation == pytest.approx(max(values), abs=1e-6)
    assert validation_ndcg(training.model, board) == pytest.approx(training.best_validation, abs=1e-6)
    best = {f"model.{name}": value for name, value in state(training.model).items()}
    assert same(best, recorder.states[training.best_epoch - 1])


@every_model
def test_training_stops_when_the_validation_no_longer_rises(kind: str, board: PreparedData) -> None:
    training = fit(new_model(kind, board), board, LEARN.model_copy(update={"patience": 2}), seed=0)
    assert training.best_epoch > 0
    assert training.epochs == training.best_epoch + 2 < LEARN.max_epochs


@every_model
def test_training_on_never_makes_a_good_model_worse(kind: str, board: PreparedData) -> None:
    good = deepcopy(well_trained(kind)[0].model)
    before, weights = validation_ndcg(good, board), state(good)
    ruinous = TrainingConfig(learning_rate=50.0, batch_size=256, max_epochs=3)
    recorder = Recorder()
    training = fit(good, board, ruinous, seed=1, callbacks=[recorder])
    assert max(recorder.validations) < before  # it was ruinous
    assert (training.epochs, training.best_epoch) == (3, 0)
    assert training.best_validation == pytest.approx(before, abs=1e-12)
    assert same(state(training.model), weights)


@every_model
@pytest.mark.parametrize("seed", range(3))
def test_training_on_returns_no_worse_validation(kind: str, seed: int, board: PreparedData) -> None:
    model = fit(new_model(kind, board), board, BRIEF, seed=0).model
    before = validation_ndcg(model, board)
    training = fit(deepcopy(model), board, BRIEF, seed=seed)
    assert validation_ndcg(training.model, board) >= before
    assert training.best_validation >= before - 1e-6


@every_model
def test_the_model_given_is_the_one_returned_ready_for_use(kind: str, board: PreparedData) -> None:
    model = new_model(kind, board, dropout=0.2)
    training = fit(model, board, BRIEF, seed=0)
    assert training.model is model
    assert not any(module.training for module in model.modules())
    users = torch.arange(board.num_users)
    assert torch.equal(model.score_all(users), model.score_all(users))
