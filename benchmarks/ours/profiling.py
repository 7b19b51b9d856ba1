"""Where an epoch's time goes: each part is timed where torch calls it, so fit() itself is what runs."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import pytorch_lightning as pl
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from typing_extensions import override

from benchmarks.datasets import Shape, load
from benchmarks.ours.training import EpochTimer, train_epochs, with_few_validated
from ncf.data.prepared import PreparedData
from ncf.training.batches import Step, TrainingBatches
from ncf.training.module import NCFModule

TOP_OPERATIONS = 12


class Clock(pl.Callback):
    """Seconds by part, of the second epoch alone: the first one warms up."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(("sampling", "forward", "backward", "optimizer"), 0.0)
        self.training = False

    @override
    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.training = False

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.training = trainer.current_epoch == 0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the block's time for this part."""
        started = time.perf_counter()
        yield
        if self.training:
            self.seconds[name] += time.perf_counter() - started


def profile(job: dict[str, Any]) -> dict[str, Any]:
    """Seconds of one epoch by part; "rest" is what is left over.

    "lightning" is its loop with steps that do nothing.
    """
    data = with_few_validated(load(Shape(**job["shape"]), num_candidates=1))
    clock, timer, idle = Clock(), EpochTimer(), EpochTimer()
    with _timed(clock):
        train_epochs(job, data, 2, [clock, timer])
    alone = _seconds_of_loop(job, data, idle)
    parts = dict(clock.seconds)
    parts["lightning"] = max(0.0, alone - parts["sampling"])
    total = timer.seconds[1]
    parts["rest"] = max(0.0, total - sum(parts.values()))
    return {"parts": parts, "seconds": total, "samples": timer.samples}


def _seconds_of_loop(job: dict[str, Any], data: PreparedData, timer: EpochTimer) -> float:
    """An epoch whose steps do nothing: what sampling and Lightning take."""

    def nothing(module: NCFModule, batch: object, batch_index: int) -> None:
        """Stand in for the training step."""

    with patch.object(NCFModule, "training_step", nothing):
        train_epochs(job, data, 2, [timer])
    return timer.seconds[1]


@contextmanager
def _timed(clock: Clock) -> Iterator[None]:
    """Time each part while the block runs."""
    inside = {
        (torch.autograd, "backward"): "backward",
        (torch.optim.Optimizer, "zero_grad"): "optimizer",
    }
    with ExitStack() as stack:
        for (owner, name), part in inside.items():
            stack.enter_context(patch.object(owner, name, _timed_function(clock, part, getattr(owner, name))))
        stack.enter_context(patch.object(TrainingBatches, "__iter__", _timed_iterator(clock, TrainingBatches.__iter__)))
        stack.enter_context(patch.object(torch.nn.Module, "__call__", _timed_call(clock, torch.nn.Module.__call__)))
        stack.enter_context(_timed_optimizer(clock))
        yield


def _timed_function(clock: Clock, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def timed(*args: Any, **kwargs: Any) -> Any:
        with clock.part(part):
            return function(*args, **kwargs)

    return timed


def _timed_iterator(clock: Clock, iterate: Callable[..., Any]) -> Callable[..., Any]:
    def timed(batches: TrainingBatches) -> Iterator[list[Step]]:
        source = iterate(batches)
        while True:
            with clock.part("sampling"):
                batch = next(source, None)
            if batch is None:
                return
            yield batch

    return timed


def _timed_call(clock: Clock, call: Callable[..., Any]) -> Callable[..., Any]:
    """Time the outermost module alone: the model, which calls its layers."""
    inside = False

    def timed(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        nonlocal inside
        if inside or isinstance(module, pl.LightningModule):
            return call(module, *args, **kwargs)
        inside = True
        try:
            with clock.part("forward"):
                return call(module, *args, **kwargs)
        finally:
            inside = False

    return timed


@contextmanager
def _timed_optimizer(clock: Clock) -> Iterator[None]:
    running: list[Any] = []

    def before(*_: Any) -> None:
        running.append(clock.part("optimizer"))
        running[-1].__enter__()

    def after(*_: Any) -> None:
        running.pop().__exit__(None, None, None)

    hooks = [register_optimizer_step_pre_hook(before), register_optimizer_step_post_hook(after)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def operations(job: dict[str, Any]) -> dict[str, Any]:
    """The operations that torch's profiler sees most of in one epoch: name, share of all, calls."""
    data = with_few_validated(load(Shape(**job["shape"]), num_candidates=1))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        train_epochs(job, data, 1, [])
    events = sorted(profiler.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    top = [(event.key, event.self_cpu_time_total / total, event.count) for event in events[:TOP_OPERATIONS]]
    return {"operations": top}
