"""Where an epoch's time goes: the compiled steps' own clock and one around the sampling, while fit() itself runs."""

import time
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytorch_lightning as pl
from typing_extensions import override

from benchmarks.datasets import Shape, load
from benchmarks.ours.training import EpochTimer, train_epochs, with_few_validated
from ncf.data.prepared import PreparedData
from ncf.training.batches import Step, TrainingBatches
from ncf.training.module import NCFModule


class Clock(pl.Callback):
    """Seconds by part, of the second epoch alone: the first one warms up."""

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
    """Seconds of one epoch by part; "rest" is what is left over.

    "lightning" is its loop with steps that do nothing.
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
    """An epoch whose steps do nothing: what sampling and Lightning take."""

    def nothing(module: NCFModule, batch: object, batch_index: int) -> None:
        """Stand in for the training step."""

    timer = EpochTimer()
    with patch.object(NCFModule, "training_step", nothing):
        train_epochs(job, data, 2, [timer])
    return timer.seconds[1]
