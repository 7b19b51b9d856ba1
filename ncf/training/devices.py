"""Is what a training is to run on there?"""

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
    """Refuse what this machine does not have.

    Raises:
        ConfigError: there is no such accelerator, there are fewer devices, or there is no compiler.
    """
    there = {"cpu": True, "auto": True, "gpu": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there[hardware.accelerator]:
        raise ConfigError(
            "this machine (or this build of torch) does not have the accelerator asked for",
            got=hardware.accelerator,
            allowed=", ".join(name for name, found in there.items() if found),
            do="leave hardware.accelerator at auto, or install the driver and a torch build for it",
        )
    most = _most_devices(hardware.accelerator)
    if hardware.devices > most:
        raise ConfigError(
            "there are fewer devices than asked for",
            got=hardware.devices,
            allowed=f"1 to {most}",
            do="lower hardware.devices, or make more visible (CUDA_VISIBLE_DEVICES)",
        )
    if hardware.compile:
        compiler()


def _most_devices(accelerator: str) -> int:
    """GPUs there are; CPU processes may be any number."""
    if accelerator != "cpu" and torch.cuda.is_available():
        return torch.cuda.device_count()
    if accelerator != "cpu" and torch.backends.mps.is_available():
        return 1
    return 1024


LIGHTNING = ("pytorch_lightning", "lightning_fabric")


class Spawned(DDPStrategy):
    """Lightning's DDP in new processes that run the training alone; plain "ddp" would run the whole command again."""

    def __init__(self) -> None:
        super().__init__(start_method="spawn")

    @override
    def setup_environment(self) -> None:
        _hush()  # the first thing that runs in a new process
        super().setup_environment()

    @override
    def teardown(self) -> None:
        super().teardown()
        if dist.is_initialized():
            dist.destroy_process_group()  # Lightning ends NCCL's alone; gloo's threads can abort a process at its exit


@contextmanager
def errors_of_processes() -> Iterator[None]:
    """An error in one of several processes arrives as a text with a trace; its last line says what was wrong."""
    try:
        yield
    except ProcessRaisedException as error:
        raise ModelError("a training process failed", got=str(error).strip().splitlines()[-1]) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning's notes on devices, loaders and folders from the user, who can do nothing about them."""
    levels = {name: logging.getLogger(name).level for name in LIGHTNING}
    try:
        with warnings.catch_warnings():
            _hush()
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _hush() -> None:
    for name in LIGHTNING:
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning.*")
    warnings.filterwarnings("ignore", message=".*_pytree.*")
