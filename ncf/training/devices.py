"""The hardware of a training: is it there, and does Lightning use it quietly?"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from pytorch_lightning.strategies import DDPStrategy
from torch.multiprocessing.spawn import ProcessRaisedException
from typing_extensions import override

from ncf.errors import ConfigError, ModelError
from ncf.hardware import HardwareConfig
from ncf.training.native.library import compiler


def check_hardware(hardware: HardwareConfig) -> None:
    """Refuse hardware that this machine does not have.

    Raises:
        ConfigError: there is no such accelerator, too few devices, or no compiler.
    """
    there = {"cpu": True, "auto": True, "gpu": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there[hardware.accelerator]:
        raise ConfigError(
            "this machine, or this build of torch, does not have the accelerator",
            got=hardware.accelerator,
            allowed=", ".join(name for name, found in there.items() if found),
            do="set hardware.accelerator to auto, or install the driver and a torch build for it",
        )
    available = _max_devices(hardware.accelerator)
    if hardware.devices > available:
        raise ConfigError(
            "there are not enough devices",
            got=hardware.devices,
            allowed=f"1 to {available}",
            do="lower hardware.devices, or make more visible (CUDA_VISIBLE_DEVICES)",
        )
    if hardware.compile:
        compiler()


def _max_devices(accelerator: str) -> int:
    """Number of GPUs; CPU processes may be as many as the setting allows."""
    if accelerator != "cpu" and torch.cuda.is_available():
        return torch.cuda.device_count()
    if accelerator != "cpu" and torch.backends.mps.is_available():
        return 1
    return 1024


LIGHTNING = ("pytorch_lightning", "lightning_fabric")


class Spawned(DDPStrategy):
    """Lightning's DDP in new processes that run only the training; "ddp" would run the whole command in each."""

    def __init__(self) -> None:
        super().__init__(start_method="spawn")

    @override
    def setup_environment(self) -> None:
        _silence()  # runs first in each new process
        super().setup_environment()

    @override
    def teardown(self) -> None:
        super().teardown()
        if dist.is_initialized():
            dist.destroy_process_group()  # Lightning only does so for NCCL; gloo's threads can abort a process at exit


@contextmanager
def errors_of_processes() -> Iterator[None]:
    """Raise the error of a training process with its own message, which is the last line of the trace that arrives."""
    try:
        yield
    except ProcessRaisedException as error:
        raise ModelError("a training process failed", got=str(error).strip().splitlines()[-1]) from error


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence Lightning's notes on devices, loaders and folders, which a user can't act on."""
    levels = {name: logging.getLogger(name).level for name in LIGHTNING}
    try:
        with warnings.catch_warnings():
            _silence()
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _silence() -> None:
    for name in LIGHTNING:
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning.*")
    warnings.filterwarnings("ignore", message=".*_pytree.*")
