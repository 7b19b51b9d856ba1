"""Steps in C++ do what torch's own gradients and optimizers do."""

import ctypes
import logging
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from typing_extensions import override

from ncf.config import GMFConfig, MLPConfig, ModelConfig, NeuMFConfig, TrainingConfig
from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError, ModelError
from ncf.files import CACHE_VARIABLE
from ncf.hardware import HardwareConfig
from ncf.models.build import Model, build_model
from ncf.models.gmf import GMF
from ncf.training.batches import Step
from ncf.training.fit import fit
from ncf.training.native.library import ARCH_VARIABLE, SOURCES, Parameter, library
from ncf.training.native.step import NativeStep
from ncf.training.objective import step_loss
from tests.ncf.toy_data import scramble
from tests.ncf.training.small_models import BRIEF, GMF_KIND, NEUMF_KIND, StopAt, new_model, same_weights

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")

USERS, ITEMS = 40, 50
EPS = 1e-5  # so that Adam makes no steps of what is rounding alone
GMF8 = GMFConfig(embedding_dim=8)
ONES = GMFConfig(embedding_dim=20, head="ones")
SHORT = MLPConfig(layers=(6, 5))
DEEP = MLPConfig(layers=(34, 17, 16, 3))
NEUMF = NeuMFConfig(embedding_dim=8, layers=(16, 16, 8))
WIDE = NeuMFConfig(embedding_dim=64, layers=(128, 128, 64))

CASES: tuple[tuple[ModelConfig, dict[str, Any]], ...] = (
    (GMF8, {}),
    (ONES, {"loss": "least-squares"}),
    (SHORT, {}),
    (DEEP, {"num_negatives": 1}),
    (NEUMF, {}),
    (WIDE, {"num_negatives": 1}),
    (NEUMF, {"loss": "mse"}),
    (NEUMF, {"loss": "bpr"}),
    (NEUMF, {"embedding_l2": 0.01}),
    (NEUMF, {"embedding_l2": 0.001, "l2_over": "tables"}),
    (NEUMF, {"optimizer": "adamw", "weight_decay": 0.1}),
    (NEUMF, {"optimizer": "sgd", "learning_rate": 0.1}),
    (NEUMF, {"optimizer": "sgd", "learning_rate": 0.1, "embedding_l2": 0.01}),
    (NEUMF, {"optimizer": "sgd", "learning_rate": 0.1, "embedding_l2": 0.001, "l2_over": "tables"}),
    (DEEP, {"num_negatives": 100}),
)


def make_steps(count: int, positives: int, negatives: int, users: int = USERS, items: int = ITEMS) -> list[Step]:
    """Of random users and items, which may be there twice, with labels of all kinds."""
    rng = torch.Generator().manual_seed(5)
    found = []
    for _ in range(count):
        user = torch.randint(users, (positives,), generator=rng)
        item = torch.randint(items, (positives, 1 + negatives), generator=rng)
        found.append(Step(user, item, torch.rand(item.shape, generator=rng), positives, 1.0))
    return found


def make_model(config: ModelConfig, users: int = USERS, items: int = ITEMS) -> Model:
    """With weights large enough for every part of the gradient to count."""
    model = build_model(config, users, items, 0).train()
    heads = {name: value.clone() for name, value in model.named_parameters() if not value.requires_grad}
    scramble(model, torch.Generator().manual_seed(3), std=0.3)
    with torch.no_grad():
        for name, value in heads.items():
            model.get_parameter(name).copy_(value)
    return model


def make_optimizer(model: Model, config: TrainingConfig, eps: float = EPS) -> torch.optim.Optimizer:
    rate = config.learning_rate
    match config.optimizer:
        case "sgd":
            return torch.optim.SGD(model.parameters(), lr=rate)
        case "adamw":
            return torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=config.weight_decay, eps=eps)
        case "adam":
            return torch.optim.Adam(model.parameters(), lr=rate, eps=eps)


def trained_by_torch(
    model: Model, config: TrainingConfig, optimizer: torch.optim.Optimizer, steps: list[Step]
) -> Tensor:
    """Returns the sum of the losses; the rate falls from step to step."""
    total = torch.zeros(())
    for step in steps:
        loss = step_loss(model, config, step)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        total += loss.detach() * step.counted
    return total


def assert_same_training(
    model: Model, config: TrainingConfig, steps: list[Step], threads: int = 1, eps: float = EPS
) -> None:
    """Loss, weights and moments after these steps, in two calls."""
    other = deepcopy(model)
    optimizer, ours = make_optimizer(model, config, eps), make_optimizer(other, config, eps)
    expected = trained_by_torch(model, config, optimizer, steps)
    native = NativeStep(other, config, ours, len(steps[0].users), threads)
    total = torch.zeros(())
    assert native(steps[:3], total) == 3
    assert native(steps[3:], total) == len(steps) - 3
    native.finish()
    torch.testing.assert_close(total, expected, rtol=1e-4, atol=1e-4)
    for (name, mine), theirs in zip(other.named_parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=2e-5, msg=partial("{}: {}".format, name))
        for key in ("exp_avg", "exp_avg_sq", "step"):
            if key in optimizer.state[theirs]:
                torch.testing.assert_close(ours.state[mine][key], optimizer.state[theirs][key], rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("shape", "changes"), CASES, ids=str)
def test_a_native_step_is_torchs(shape: ModelConfig, changes: dict[str, Any], threads: int) -> None:
    config = TrainingConfig.model_validate({"learning_rate": 0.003, "embedding_l2": 0.0} | changes)
    assert_same_training(make_model(shape), config, make_steps(8, 150, config.num_negatives), threads)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("loss", ["bce", "mse", "least-squares", "bpr"])
def test_positives_may_have_weights(loss: str, threads: int) -> None:
    config = TrainingConfig.model_validate({"loss": loss, "embedding_l2": 0.001, "num_negatives": 3})
    steps = [step._replace(weights=torch.linspace(0.01, 1.0, 150)) for step in make_steps(8, 150, 3)]
    assert_same_training(make_model(NEUMF), config, steps, threads)


@pytest.mark.parametrize("eps", [1e-5, 1e-2])
def test_rows_that_no_batch_has_for_long_move_as_they_do_under_torchs_adam(eps: float) -> None:
    """For more steps than moments last, and beyond those whose corrections change fast; at a large eps as well."""
    config = TrainingConfig(learning_rate=0.001, num_negatives=1)
    steps = make_steps(1500, 2, 1, users=400, items=700)
    assert_same_training(make_model(NEUMF, 400, 700), config, steps, eps=eps)


def test_a_falling_learning_rate_reaches_the_rows_that_wait() -> None:
    config = TrainingConfig(learning_rate=0.01, num_negatives=1)
    model = make_model(GMF8, 400, 700)
    other = deepcopy(model)
    optimizer, ours = make_optimizer(model, config), make_optimizer(other, config)
    native = NativeStep(other, config, ours, 2, 1)
    steps = make_steps(1300, 2, 1, users=400, items=700)
    for first in range(0, len(steps), 50):
        part = steps[first : first + 50]
        for each in (optimizer, ours):
            each.param_groups[0]["lr"] = 0.01 * (1 - first / len(steps))
        trained_by_torch(model, config, optimizer, part)
        native(part, torch.zeros(()))
    native.finish()
    for mine, theirs in zip(other.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=2e-5)


def test_plain_steps_between_native_ones_are_seen() -> None:
    config = TrainingConfig(learning_rate=0.003, num_negatives=1)
    steps = make_steps(9, 20, 1)
    model = make_model(NEUMF)
    other = deepcopy(model)
    optimizer, ours = make_optimizer(model, config), make_optimizer(other, config)
    native = NativeStep(other, config, ours, 20, 1)
    trained_by_torch(model, config, optimizer, steps)
    assert native(steps[:4], torch.zeros(())) == 4
    native.finish()
    trained_by_torch(other, config, ours, steps[4:6])
    assert native(steps[6:], torch.zeros(())) == 3
    native.finish()
    for mine, theirs in zip(other.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=2e-5)


def test_steps_of_another_size_are_left_to_the_caller() -> None:
    config = TrainingConfig(num_negatives=1)
    model = make_model(GMF8)
    native = NativeStep(model, config, make_optimizer(model, config), 20, 1)
    steps = [*make_steps(2, 20, 1), *make_steps(1, 7, 1), *make_steps(1, 20, 1)]
    assert native(steps, torch.zeros(())) == 2
    assert native(steps[2:], torch.zeros(())) == 0


def flat_tower(width: int, share: float) -> Model:
    """Every hidden unit is 1 without dropout, and the logit is their mean, whoever is scored."""
    model = build_model(MLPConfig(layers=(2, width), dropout=share), USERS, ITEMS, 0).train()
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.fill_({"tower.0.bias": 1.0, "head": 1 / width}.get(name, 0.0))
    return model


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_dropout_drops_its_share_and_keeps_the_mean(share: float, threads: int) -> None:
    """The mean of W units, each 1 / (1 - share) or 0 by itself, has the variance share / (1 - share) / W."""
    model = flat_tower(64, share)
    config = TrainingConfig(loss="least-squares", optimizer="sgd", learning_rate=1e-30, num_negatives=4)
    torch.manual_seed(8)
    native = NativeStep(model, config, make_optimizer(model, config), 1000, threads)
    count, total, squares = 20, torch.zeros(()), torch.zeros(())
    for target, found in ((0.0, squares), (1.0, total)):
        steps = [step._replace(labels=torch.full_like(step.labels, target)) for step in make_steps(count, 1000, 4)]
        native(steps, found)
    variance = share / (1 - share) / 64
    samples = count * 5000
    assert float(total) / (count * 1000) == pytest.approx(variance, rel=5 * math.sqrt(2 / samples))
    mean = (float(squares) / (count * 1000) + 1 - float(total) / (count * 1000)) / 2  # E x^2 - E (x - 1)^2 = 2 E x - 1
    assert mean == pytest.approx(1, abs=5 * math.sqrt(2 * variance / samples))


def test_masks_differ_between_steps_and_follow_the_seed() -> None:
    config = TrainingConfig(loss="least-squares", optimizer="sgd", learning_rate=1e-30, num_negatives=1)
    losses = []
    for seed in (1, 1, 2):
        model = flat_tower(16, 0.3)
        native = NativeStep(model, config, make_optimizer(model, config), 10, 1)
        torch.manual_seed(seed)
        totals = torch.zeros(3)
        [step] = make_steps(1, 10, 1)
        for place in range(3):
            native([step], totals[place])
        losses.append(totals.tolist())
    assert losses[0] == losses[1] != losses[2]
    assert len(set(losses[0])) == 3


def test_the_seed_decides_whatever_the_number_of_threads(board: PreparedData) -> None:
    for threads in (1, 2):
        hardware = HardwareConfig(compile=True, threads=threads)
        one, two = (
            fit(new_model(NEUMF_KIND, board, dropout=0.2), board, BRIEF, seed=2, hardware=hardware).model
            for _ in range(2)
        )
        assert same_weights(one, two)


def test_a_native_training_that_was_stopped_ends_as_one_that_never_was(board: PreparedData, tmp_path: Path) -> None:
    config = BRIEF.model_copy(update={"max_epochs": 5, "patience": 30, "batch_size": 10})
    settings: dict[str, Any] = {"seed": 2, "hardware": HardwareConfig(compile=True)}
    whole = fit(new_model(NEUMF_KIND, board, dropout=0.2), board, config, **settings)
    with pytest.raises(RuntimeError, match="stopped"):
        fit(
            new_model(NEUMF_KIND, board, dropout=0.2),
            board,
            config,
            callbacks=[StopAt(3)],
            checkpoint_folder=tmp_path,
            **settings,
        )
    resumed = fit(new_model(NEUMF_KIND, board, dropout=0.2), board, config, checkpoint_folder=tmp_path, **settings)
    assert same_weights(resumed.model, whole.model)


def test_weights_that_are_not_numbers_are_told(board: PreparedData) -> None:
    model = new_model(NEUMF_KIND, board)
    with torch.no_grad():
        model.get_parameter("mlp.tower.0.bias").fill_(torch.nan)
    with pytest.raises(ModelError, match="not numbers"):
        fit(model, board, BRIEF, seed=0, hardware=HardwareConfig(compile=True))


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty cache, of which the library that this process has loaded knows nothing."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    library.cache_clear()
    yield tmp_path / "cache"
    library.cache_clear()


class Doubled(GMF):
    """A model that the compiled code does not know."""

    @override
    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        return 2 * super().forward(users, items)

    @override
    def score_all(self, users: Tensor, items_part: Tensor | None = None) -> Tensor:
        return 2 * super().score_all(users)


def test_torch_makes_the_steps_of_a_model_that_the_compiled_code_does_not_know(board: PreparedData) -> None:
    trained = [
        fit(
            Doubled(board.num_users, board.num_items, 8, generator=torch.Generator().manual_seed(1)),
            board,
            BRIEF,
            seed=0,
            hardware=HardwareConfig(threads=1, compile=compiles),
        ).model
        for compiles in (None, False)
    ]
    assert same_weights(*trained)


def test_the_library_is_compiled_once_for_a_machine_and_says_so(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "ncf"):
        library()
        [kept] = (cache / "native").iterdir()
        before = kept.stat()
        library.cache_clear()
        library()
    said, took = (record.message for record in caplog.records)
    assert said == "compiling the training steps for this processor, once"
    assert re.fullmatch(rf"compiled in \d+ s, and kept in {kept.parent}", took)
    assert [kept] == list((cache / "native").iterdir())
    assert kept.stat().st_mtime_ns == before.st_mtime_ns


def test_a_struct_that_was_changed_in_cpp_alone_is_refused(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(SOURCES, tmp_path / "native")
    header = tmp_path / "native" / "interface.hpp"
    text = header.read_text()
    header.write_text(text.replace("float *value, *mean, *square;", "float *value, *square, *mean;"))
    assert header.read_text() != text
    monkeypatch.setattr("ncf.training.native.library.SOURCES", tmp_path / "native")
    with pytest.raises(ConfigError, match=r"Parameter\.mean in C\+\+: \(16, 8\); allowed: as in Python, \(8, 8\)"):
        library()


def test_a_struct_that_was_changed_in_python_alone_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Wider(ctypes.Structure):
        _fields_ = (*Parameter._fields_, ("frozen", ctypes.c_int64))

    Wider.__name__ = "Parameter"
    monkeypatch.setattr("ncf.training.native.library.STRUCTURES", (Wider,))
    with pytest.raises(ConfigError, match=r"Parameter in C\+\+: \(0, 40\); allowed: as in Python, \(0, 48\)"):
        library()


def test_losses_in_another_order_are_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ncf.training.native.library.LOSSES", ("mse", "bce", "least-squares", "bpr"))
    with pytest.raises(ConfigError, match="loss mse in C.*interface.hpp and library.py"):
        library()


def test_a_cache_that_cant_be_written_to_is_told_in_words(cache: Path) -> None:
    cache.touch()
    with pytest.raises(ConfigError, match=r"can't be kept or loaded.*native/\w+\.so.*NCF_CACHE_DIR"):
        library()


def test_a_compiler_that_fails_is_told_in_words_and_done_without(
    board: PreparedData, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = cache.with_name("broken-c++")
    broken.write_text("#!/bin/sh\necho no space left on device >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    told = r"the C\+\+ compiler failed.*what to do: train with compile off.*no space"
    with pytest.raises(ConfigError, match=told):
        fit(new_model(GMF_KIND, board), board, BRIEF, seed=0, hardware=HardwareConfig(compile=True))
    with caplog.at_level(logging.INFO):
        fit(new_model(GMF_KIND, board), board, BRIEF, seed=0)
    assert re.search(f"training without compiled steps.*{told}", caplog.text)


@pytest.mark.slow
def test_the_steps_read_and_write_nothing_but_their_own(tmp_path: Path) -> None:
    """Under the compiler's sanitizers, in a process of its own; the cases above, once more."""
    sanitized = tmp_path / "c++"
    libraries = [
        subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
        for name in ("libasan.so", "libstdc++.so")
    ]
    if not all(Path(library).is_absolute() for library in libraries):
        pytest.skip("needs the address sanitizer")
    sanitized.write_text('#!/bin/sh\nexec g++ -fsanitize=address,undefined -fno-sanitize-recover=undefined "$@"\n')
    sanitized.chmod(0o755)
    env = {
        CACHE_VARIABLE: str(tmp_path),
        "CXX": str(sanitized),
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0",
    }
    run_cases_again(env)


@pytest.mark.slow
@pytest.mark.parametrize(("march", "needed"), [("x86-64-v3", {"avx2", "fma"}), ("x86-64-v2", {"sse4_2"})])
def test_the_steps_are_right_with_other_instructions(tmp_path: Path, march: str, needed: set[str]) -> None:
    """What an older processor would run, in a process of its own; the cases above, once more."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists() or not needed <= set(cpuinfo.read_text().split()):
        pytest.skip(f"this processor can't execute {march}")
    run_cases_again({CACHE_VARIABLE: str(tmp_path), ARCH_VARIABLE: march})


def run_cases_again(env: dict[str, str]) -> None:
    chosen = "torchs or wait or dropout"
    command = [sys.executable, "-m", "pytest", "-qs", "-p", "no:cacheprovider", __file__, "-k", chosen]
    done = subprocess.run(command, env=os.environ | env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
