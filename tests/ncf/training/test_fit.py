"""What a training does beside learning: steps, dropout, loggers, threads, errors."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger
from typing_extensions import override

from ncf.config import TrainingConfig
from ncf.data.prepared import PreparedData
from ncf.errors import ModelError
from ncf.evaluation.ranking import HoldoutRanker
from ncf.hardware import HardwareConfig
from ncf.training.fit import fit
from tests.ncf.training.small_models import BRIEF, GMF_KIND, MLP_KIND, NEUMF_KIND, Recorder, new_model, same_weights

VALIDATION = ["full/hr_at_10", "full/ndcg_at_10", "sampled/hr_at_10", "sampled/ndcg_at_10"]


@pytest.mark.parametrize(
    ("batch_size", "num_negatives", "positives_per_step"), [(256, 4, 51), (64, 7, 8), (10, 4, 2), (2048, 1, 1024)]
)
def test_a_step_has_batch_size_samples(
    batch_size: int, num_negatives: int, positives_per_step: int, board: PreparedData
) -> None:
    config = TrainingConfig(batch_size=batch_size, num_negatives=num_negatives, max_epochs=2)
    recorder = Recorder()
    plain = HardwareConfig(compile=False)  # whose steps are made one by one, for the recorder to count
    fit(new_model(GMF_KIND, board), board, config, seed=0, callbacks=[recorder], hardware=plain)
    assert recorder.optimizer_steps == 2 * math.ceil(len(board.train) / positives_per_step)


class DropoutMasks(pl.Callback):
    """Notes which hidden units the first step of each epoch had, and which of these it dropped."""

    def __init__(self, dropout: torch.nn.Module) -> None:
        self.active: list[torch.Tensor] = []
        self.dropped: list[torch.Tensor] = []
        self.armed = False
        dropout.register_forward_hook(self._note)

    @override
    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object) -> None:
        self.armed = True

    def _note(self, module: torch.nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        if self.armed:
            self.active.append(inputs[0] > 0)
            self.dropped.append(output == 0)
        self.armed = False


def test_every_epoch_drops_other_hidden_units_in_the_measure_asked(board: PreparedData) -> None:
    model = new_model(MLP_KIND, board, dropout=0.3)
    masks = DropoutMasks(model.get_submodule("dropout"))
    config = TrainingConfig(batch_size=2**15, max_epochs=2)  # one step an epoch
    fit(model, board, config, seed=0, callbacks=[masks])
    assert len(masks.active) == 2
    both = masks.active[0] & masks.active[1]
    first, second = masks.dropped[0][both], masks.dropped[1][both]
    assert first.float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert (first & second).float().mean().item() == pytest.approx(0.09, abs=0.03)  # independent


def test_max_epochs_is_the_most(board: PreparedData) -> None:
    config = BRIEF.model_copy(update={"max_epochs": 4, "patience": 100})
    assert fit(new_model(GMF_KIND, board), board, config, seed=0).epochs == 4


def test_loggers_receive_loss_and_validation_of_each_epoch(board: PreparedData, tmp_path: Path) -> None:
    logger, recorder = CSVLogger(tmp_path, name="", version=""), Recorder()
    config = BRIEF.model_copy(update={"max_epochs": 5, "patience": 2})
    training = fit(new_model(GMF_KIND, board), board, config, seed=0, loggers=[logger], callbacks=[recorder])
    log = pd.read_csv(next(tmp_path.rglob("metrics.csv")))
    epochs = list(range(1, training.epochs + 1))
    for key in ("train/loss", *(f"validation/{name}" for name in VALIDATION)):
        series = log[["step", key]].dropna()
        assert series["step"].tolist() == epochs, key
    ndcg = log["validation/full/ndcg_at_10"].dropna().tolist()
    assert ndcg == pytest.approx(recorder.validations, abs=1e-6)
    assert ndcg[training.best_epoch - 1] == pytest.approx(training.best_validation, abs=1e-6)
    losses = log["train/loss"].dropna()
    assert losses.iloc[0] == pytest.approx(math.log(2), abs=0.1)  # small weights know nothing
    assert losses.iloc[-1] < losses.iloc[0]


@pytest.mark.parametrize("kind", [GMF_KIND, MLP_KIND, NEUMF_KIND])
def test_validation_by_candidates_alone_steers_as_it_is_reported(
    kind: str, board: PreparedData, tmp_path: Path
) -> None:
    config = BRIEF.model_copy(update={"validate_by": "sampled"})
    logger, recorder = CSVLogger(tmp_path, name="", version=""), Recorder()
    training = fit(new_model(kind, board), board, config, seed=0, loggers=[logger], callbacks=[recorder])
    log = pd.read_csv(next(tmp_path.rglob("metrics.csv")))
    assert [name for name in map(str, log) if name.startswith("validation/")] == [
        f"validation/{name}" for name in VALIDATION[2:]
    ]
    assert training.best_validation == max(recorder.validations)
    values = HoldoutRanker(board, "validation").rank_all(training.model).values()
    assert training.best_validation == pytest.approx(values["sampled/ndcg_at_10"].mean(), abs=1e-6)


def test_the_protocol_of_the_validation_does_not_change_the_steps(board: PreparedData) -> None:
    recorders = [Recorder(), Recorder()]
    for recorder, protocol in zip(recorders, ("full", "sampled"), strict=True):
        config = BRIEF.model_copy(update={"validate_by": protocol})
        fit(new_model(GMF_KIND, board), board, config, seed=0, callbacks=[recorder])
    for one, other in zip(*(recorder.states for recorder in recorders), strict=True):
        assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_every_logger_receives_the_same(board: PreparedData, tmp_path: Path) -> None:
    loggers = [CSVLogger(tmp_path / name) for name in ("a", "b")]
    fit(new_model(GMF_KIND, board), board, BRIEF, seed=0, loggers=loggers)
    one, other = (next((tmp_path / name).rglob("metrics.csv")).read_text() for name in ("a", "b"))
    assert one == other
    assert one.count("\n") > 3


def test_loggers_do_not_change_what_is_learned(board: PreparedData, tmp_path: Path) -> None:
    logged = fit(new_model(GMF_KIND, board), board, BRIEF, seed=0, loggers=[CSVLogger(tmp_path)]).model
    alone = fit(new_model(GMF_KIND, board), board, BRIEF, seed=0).model
    assert same_weights(logged, alone)


class ThreadCount(pl.Callback):
    """Notes the thread count inside the training, and may stop it with an error."""

    def __init__(self, error: Exception | None = None) -> None:
        self.inside = 0
        self.error = error

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.inside = torch.get_num_threads()
        if self.error is not None:
            raise self.error


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_training_uses_its_own_thread_count_and_leaves_the_callers(board: PreparedData) -> None:
    count = ThreadCount()
    fit(new_model(GMF_KIND, board), board, BRIEF, seed=0, callbacks=[count])
    assert (count.inside, torch.get_num_threads()) == (1, 2)


@pytest.mark.usefixtures("two_threads")
def test_an_error_in_training_comes_through_and_leaves_the_callers_thread_count(board: PreparedData) -> None:
    count = ThreadCount(RuntimeError("disk full"))
    with pytest.raises(RuntimeError, match="disk full"):
        fit(new_model(GMF_KIND, board), board, BRIEF, seed=0, callbacks=[count])
    assert (count.inside, torch.get_num_threads()) == (1, 2)


def test_training_leaves_the_global_random_state_alone(board: PreparedData) -> None:
    model = new_model(GMF_KIND, board)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    fit(model, board, BRIEF, seed=0)
    assert torch.equal(torch.get_rng_state(), before)


def test_training_leaves_no_files_behind(board: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fit(new_model(GMF_KIND, board), board, BRIEF, seed=0)
    assert list(tmp_path.iterdir()) == []


def test_training_leaves_the_data_alone(board: PreparedData) -> None:
    arrays = [board.train.users, board.train.items, board.validation.candidates, board.validation.pairs.items]
    before = [array.copy() for array in arrays]
    fit(new_model(GMF_KIND, board), board, BRIEF, seed=0)
    assert all(np.array_equal(array, copy) for array, copy in zip(arrays, before, strict=True))


def test_a_model_that_is_not_a_number_is_an_error_in_words(board: PreparedData) -> None:
    model = new_model(GMF_KIND, board)
    with torch.no_grad():
        model.get_parameter("bias").fill_(math.nan)
    with pytest.raises(ModelError, match="not numbers"):
        fit(model, board, BRIEF, seed=0)


def test_a_training_that_diverges_is_an_error_in_words(board: PreparedData) -> None:
    reckless = TrainingConfig(optimizer="sgd", learning_rate=100.0, embedding_l2=1e6, batch_size=64, max_epochs=5)
    with pytest.raises(ModelError, match=r"not numbers.*smaller learning rate"):
        fit(new_model(GMF_KIND, board), board, reckless, seed=0)
