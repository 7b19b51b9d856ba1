"""Several processes, a compiled step, thread counts: how it is computed does not change what is learned."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ncf.config import TrainingConfig
from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError, ModelError
from ncf.hardware import HardwareConfig
from ncf.training.devices import check_hardware
from ncf.training.fit import Training, fit
from tests.ncf.toy_data import random_data
from tests.ncf.training.small_models import BRIEF, GMF_KIND, NEUMF_KIND, new_model

TWO_PROCESSES = HardwareConfig(accelerator="cpu", devices=2, threads=1)
PLAIN, COMPILED = HardwareConfig(compile=False), HardwareConfig(compile=True)
DIFFERENTLY: tuple[dict[str, Any], ...] = (
    {"negatives": "all"},
    {"negatives": "all", "embedding_l2": 0.01, "loss": "least-squares"},
    {"negatives": "popularity", "loss": "mse"},
    {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine"},
    {"optimizer": "sgd", "learning_rate": 0.5},
    {"loss": "bpr", "optimizer": "sgd", "learning_rate": 0.5, "embedding_l2": 0.01},
    {"loss": "least-squares", "embedding_l2": 0.001, "l2_over": "tables"},
    {"embedding_l2": 0.01, "schedule": "linear"},
    {"gradient_clip": 0.1},
    {"batch_size": 7, "optimizer": "sgd", "learning_rate": 0.1},
    {"batch_size": 100_000},
    {"num_negatives": 1},
)
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")


def assert_close(ours: Training, theirs: Training) -> None:
    """Equal but for the order of additions."""
    assert (ours.epochs, ours.best_epoch) == (theirs.epochs, theirs.best_epoch)
    assert ours.best_validation == pytest.approx(theirs.best_validation, abs=1e-3)
    expected = theirs.model.state_dict()
    for name, value in ours.model.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-4)


def test_two_processes_learn_what_one_learns(
    board: PreparedData, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Through gloo, with parts of unequal size in every step, and checkpoints that go on where they were."""
    one = fit(new_model(NEUMF_KIND, board), board, BRIEF, seed=2)
    two = fit(
        new_model(NEUMF_KIND, board),
        board,
        BRIEF,
        seed=2,
        hardware=TWO_PROCESSES,
        checkpoint_folder=tmp_path / "kept",
    )
    assert_close(two, one)
    assert capfd.readouterr() == ("", "")  # Lightning has nothing to tell that a user could do anything about
    kept = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert kept == ["epoch=000001.ckpt", "epoch=000002.ckpt"]
    again = fit(new_model(NEUMF_KIND, board), board, BRIEF, seed=2, checkpoint_folder=tmp_path / "kept")
    assert_close(again, one)


def test_two_processes_learn_from_all_pairs_what_one_learns(board: PreparedData) -> None:
    """With parts of unequal size, and a last step of one user, where one process has nothing that counts."""
    config = BRIEF.model_copy(update={"negatives": "all", "batch_size": 9 * 40, "embedding_l2": 0.01})
    one = fit(new_model(NEUMF_KIND, board), board, config, seed=2)
    assert_close(fit(new_model(NEUMF_KIND, board), board, config, seed=2, hardware=TWO_PROCESSES), one)


@pytest.mark.slow
def test_two_processes_learn_from_steps_of_several_blocks_what_one_learns(rng: np.random.Generator) -> None:
    """A block has one user a process here, and a step four blocks."""
    data = random_data(rng, 14, 70_000)
    config = BRIEF.model_copy(update={"negatives": "all", "batch_size": 7 * 70_000, "learning_rate": 0.002})
    one = fit(new_model(GMF_KIND, data), data, config, seed=2)
    assert_close(fit(new_model(GMF_KIND, data), data, config, seed=2, hardware=TWO_PROCESSES), one)


def test_an_error_in_one_of_several_processes_is_told_in_words(board: PreparedData) -> None:
    model = new_model(GMF_KIND, board)
    with torch.no_grad():
        model.get_parameter("bias").fill_(torch.nan)
    with pytest.raises(ModelError, match=r"a training process failed.*not numbers.*smaller learning rate"):
        fit(model, board, BRIEF, seed=0, hardware=TWO_PROCESSES)


@needs_compiler
def test_a_compiled_step_learns_what_a_plain_one_learns(board: PreparedData) -> None:
    plain = fit(new_model(NEUMF_KIND, board), board, BRIEF, seed=2, hardware=PLAIN)
    assert_close(fit(new_model(NEUMF_KIND, board), board, BRIEF, seed=2, hardware=COMPILED), plain)


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("changes", DIFFERENTLY, ids=str)
def test_so_does_one_with_other_settings(changes: dict[str, Any], board: PreparedData) -> None:
    """Those whose steps are in C++ (test_native.py has more), and those of which torch.compile takes the loss alone."""
    config = TrainingConfig.model_validate(BRIEF.model_dump() | changes)
    plain, compiled = (
        fit(new_model(NEUMF_KIND, board), board, config, seed=2, hardware=hardware) for hardware in (PLAIN, COMPILED)
    )
    assert_close(compiled, plain)


def test_compile_without_a_compiler_is_refused_before_any_work(
    board: PreparedData, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ConfigError, match=r"needs a C\+\+ compiler.*what to do: install one"):
        fit(new_model(GMF_KIND, board), board, BRIEF, seed=0, hardware=HardwareConfig(compile=True))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_an_accelerator_that_is_not_there_is_refused_before_any_work(board: PreparedData) -> None:
    with pytest.raises(ConfigError, match=r"does not have the accelerator.*'gpu'; allowed: cpu, auto.*what to do"):
        fit(new_model(GMF_KIND, board), board, BRIEF, seed=0, hardware=HardwareConfig(accelerator="gpu"))


def test_more_gpus_than_there_are_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    check_hardware(HardwareConfig(accelerator="gpu", devices=2))
    check_hardware(HardwareConfig(accelerator="cpu", devices=4))
    for accelerator in ("gpu", "auto"):
        with pytest.raises(ConfigError, match=r"not enough devices: 3; allowed: 1 to 2"):
            check_hardware(HardwareConfig(accelerator=accelerator, devices=3))


@pytest.mark.parametrize(
    ("hardware", "cores", "batch_size", "expected"),
    [
        (HardwareConfig(), 8, 256, 1),
        (HardwareConfig(), 8, 16_383, 1),
        (HardwareConfig(), 8, 16_384, 2),
        (HardwareConfig(), 2, 10**6, 2),
        (HardwareConfig(threads=3), 2, 256, 3),
        (HardwareConfig(accelerator="cpu", devices=2), 8, 65_536, 4),
        (HardwareConfig(accelerator="cpu", devices=4), 2, 10**6, 1),
    ],
)
def test_threads_follow_from_the_cores_and_the_batch(
    hardware: HardwareConfig, cores: int, batch_size: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ncf.hardware.available_cores", lambda: cores)
    assert hardware.threads_for(batch_size) == expected
