"""Machine jobs: where the time of an epoch goes, and what this machine can do at best."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from typing_extensions import override

from benchmarks.datasets import Shape, load
from benchmarks.ours.training import EpochTimer, train_epochs, with_few_validated
from ncf.data.prepared import PreparedData
from ncf.models.layers import linear
from ncf.training.batches import Step, TrainingBatches
from ncf.training.module import NCFModule

TRIES = 7
LAYER_ROWS, LAYER_WIDTH = 2048, 128  # of a tower's layer in one step


class Clock(pl.Callback):
    """Seconds by stage of the second epoch; the first one warms up."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.sampling = 0.0
        self._before: dict[str, float] = {}

    @override
    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._before = self._now(pl_module)

    @override
    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        now = self._now(pl_module)
        self.seconds = {part: seconds - self._before.get(part, 0.0) for part, seconds in now.items()}

    def _now(self, module: pl.LightningModule) -> dict[str, float]:
        assert isinstance(module, NCFModule)
        assert module.native_step is not None, "the steps are not compiled"
        return {"sampling": self.sampling, **module.native_step.seconds}


def profile(job: dict[str, Any]) -> dict[str, Any]:
    """Seconds of one epoch by stage, by the compiled steps' own clock and one around the sampling, while fit() runs.

    "lightning" is its loop with steps that do nothing; "rest" is what no stage accounts for.
    """
    data = with_few_validated(load(Shape(**job["shape"]), num_candidates=1))
    clock, timer = Clock(), EpochTimer()
    iterate = TrainingBatches.__iter__

    def timed(batches: TrainingBatches) -> Iterator[list[Step]]:
        source = iterate(batches)
        while True:
            started = time.perf_counter()
            batch = next(source, None)
            clock.sampling += time.perf_counter() - started
            if batch is None:
                return
            yield batch

    with patch.object(TrainingBatches, "__iter__", timed):
        train_epochs({**job, "compile": True}, data, 2, [clock, timer])
    parts = dict(clock.seconds)
    parts["lightning"] = max(0.0, _seconds_of_loop(job, data) - parts["sampling"])
    total = timer.seconds[1]
    parts["rest"] = max(0.0, total - sum(parts.values()))
    return {"parts": parts, "seconds": total, "samples": timer.samples}


def _seconds_of_loop(job: dict[str, Any], data: PreparedData) -> float:
    """Seconds of an epoch whose steps do nothing: sampling and Lightning alone."""

    def nothing(module: NCFModule, batch: object, batch_index: int) -> None:
        """Stand in for the training step."""

    timer = EpochTimer()
    with patch.object(NCFModule, "training_step", nothing):
        train_epochs(job, data, 2, [timer])
    return timer.seconds[1]


def limits(job: dict[str, Any]) -> dict[str, Any]:
    """GFLOP/s of a square float32 product and of a layer, GB/s of a copy (read + written); the best of some tries."""
    size, numbers = job["matrix_size"], job["copied_numbers"]
    a, b = torch.rand(size, size), torch.rand(size, size)
    product = torch.empty(size, size)
    source, target = torch.rand(numbers), torch.empty(numbers)
    return {
        "gflops": 2 * size**3 / _best_seconds(lambda: torch.mm(a, b, out=product)) / 1e9,
        "onednn_gflops": 2 * size**3 / _best_seconds(lambda: linear(a, b)) / 1e9,
        "layer_gflops": _layer_gflops(linear),
        "torch_layer_gflops": _layer_gflops(nn.functional.linear),
        "gb_per_second": 2 * 4 * numbers / _best_seconds(lambda: target.copy_(source)) / 1e9,
    }


def _layer_gflops(layer: Callable[[Tensor, Tensor], Tensor]) -> float:
    """GFLOP/s of a layer's product and both of its gradients."""
    rows = torch.rand(LAYER_ROWS, LAYER_WIDTH, requires_grad=True)
    weight = torch.rand(LAYER_WIDTH, LAYER_WIDTH, requires_grad=True)
    gradient = torch.rand(LAYER_ROWS, LAYER_WIDTH)
    seconds = _best_seconds(lambda: torch.autograd.backward(layer(rows, weight), gradient))
    return 3 * 2 * LAYER_ROWS * LAYER_WIDTH**2 / seconds / 1e9


def _best_seconds(function: Callable[[], object]) -> float:
    seconds = []
    for _ in range(TRIES):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
