"""A training that was stopped, however, ends with the weights of one that never was."""

import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from safetensors.torch import load_file

from ncf.config import TrainingConfig
from ncf.data.prepared import PreparedData
from ncf.errors import ModelError
from ncf.training.fit import Training, fit
from tests.e2e.processes import REPOSITORY
from tests.ncf.toy_data import checkerboard
from tests.ncf.training.slow_training import train
from tests.ncf.training.small_models import GMF_KIND, LEARN, NEUMF_KIND, StopAt, new_model, same_weights

SHORT = LEARN.model_copy(update={"max_epochs": 5, "patience": 30})


def run(
    data: PreparedData, folder: Path | None, config: TrainingConfig = SHORT, seed: int = 1, *stop: pl.Callback
) -> Training:
    return fit(new_model(GMF_KIND, data), data, config, seed=seed, callbacks=stop, checkpoint_folder=folder)


def stopped(data: PreparedData, folder: Path, config: TrainingConfig = SHORT) -> None:
    with pytest.raises(RuntimeError, match="stopped"):
        run(data, folder, config, 1, StopAt(3))


def test_killed_at_random_moments_the_weights_are_bitwise_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.ncf.training.slow_training", str(tmp_path / "kept"), str(tmp_path / "end")]
    moments = random.Random(7)
    for kill in range(3):
        process = subprocess.Popen(command, cwd=REPOSITORY)
        before = set((tmp_path / "kept").glob("*.ckpt"))
        while set((tmp_path / "kept").glob("*.ckpt")) <= before and process.poll() is None:
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, f"the training ended before kill {kill}"
    assert not (tmp_path / "end").exists()
    subprocess.run(command, cwd=REPOSITORY, check=True)
    uninterrupted = train(None)
    resumed = load_file(tmp_path / "end")
    assert resumed.keys() == uninterrupted.state_dict().keys()
    assert all(torch.equal(value, resumed[name]) for name, value in uninterrupted.state_dict().items())


def test_an_exception_in_mid_epoch_changes_nothing_in_the_end(board: PreparedData, tmp_path: Path) -> None:
    whole = run(board, None)
    stopped(board, tmp_path)
    resumed = run(board, tmp_path)
    assert same_weights(resumed.model, whole.model)
    assert (resumed.epochs, resumed.best_epoch, resumed.best_validation) == (
        whole.epochs,
        whole.best_epoch,
        whole.best_validation,
    )


@pytest.mark.parametrize("negatives", ["popularity", "all"])
def test_so_with_other_negatives(board: PreparedData, tmp_path: Path, negatives: str) -> None:
    config = SHORT.model_copy(update={"negatives": negatives})
    stopped(board, tmp_path, config)
    assert same_weights(run(board, tmp_path, config).model, run(board, None, config).model)


def test_the_last_two_epochs_are_kept(board: PreparedData, tmp_path: Path) -> None:
    stopped(board, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch=000001.ckpt", "epoch=000002.ckpt"]


def test_a_checkpoint_loads_without_pickle(board: PreparedData, tmp_path: Path) -> None:
    stopped(board, tmp_path)
    saved = torch.load(tmp_path / "epoch=000002.ckpt", weights_only=True)
    assert saved["ncf_identity"]["data"] == board.fingerprint


def test_a_finished_training_is_not_trained_further(board: PreparedData, tmp_path: Path) -> None:
    first = run(board, tmp_path)
    again = run(board, tmp_path)
    assert same_weights(again.model, first.model)
    assert (again.epochs, again.best_epoch) == (first.epochs, first.best_epoch)


def test_a_training_that_stopped_early_is_not_trained_further(board: PreparedData, tmp_path: Path) -> None:
    hasty = LEARN.model_copy(update={"max_epochs": 40, "patience": 1, "learning_rate": 0.5})
    first = run(board, tmp_path, hasty)
    assert first.epochs < 40
    again = run(board, tmp_path, hasty)
    assert same_weights(again.model, first.model)
    assert again.best_epoch == first.best_epoch


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(board: PreparedData, tmp_path: Path, share: float) -> None:
    stopped(board, tmp_path)
    newest = tmp_path / "epoch=000002.ckpt"
    newest.write_bytes(newest.read_bytes()[: int(newest.stat().st_size * share)])
    assert same_weights(run(board, tmp_path).model, run(board, None).model)


def test_a_checkpoint_of_other_settings_is_refused_with_the_difference(board: PreparedData, tmp_path: Path) -> None:
    stopped(board, tmp_path)
    with pytest.raises(ModelError, match=r"learning_rate 0\.02 there, 0\.1 here"):
        run(board, tmp_path, SHORT.model_copy(update={"learning_rate": 0.1}))
    with pytest.raises(ModelError, match="seed 1 there, 2 here"):
        run(board, tmp_path, SHORT, 2)
    with pytest.raises(ModelError, match="negatives 'uniform' there, 'all' here"):
        run(board, tmp_path, SHORT.model_copy(update={"negatives": "all"}))


def test_a_checkpoint_of_other_data_or_another_model_is_refused(board: PreparedData, tmp_path: Path) -> None:
    stopped(board, tmp_path)
    other = checkerboard()
    other.train.items[[0, 1]] = other.train.items[[1, 0]]
    with pytest.raises(ModelError, match=f"data '{board.fingerprint}' there"):
        run(other, tmp_path)
    with pytest.raises(ModelError, match="weights gmf"):
        fit(new_model(NEUMF_KIND, board), board, SHORT, seed=1, checkpoint_folder=tmp_path)


def test_a_full_disk_leaves_the_checkpoint_before(board: PreparedData, tmp_path: Path) -> None:
    stopped(board, tmp_path)
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write past the limit then fails as on a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            run(board, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert {name: (tmp_path / name).read_bytes() for name in kept} == kept
    assert same_weights(run(board, tmp_path).model, run(board, None).model)
