"""Several processes that train together, and what they and Lightning say meanwhile."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist
from pytorch_lightning.strategies import DDPStrategy
from torch.multiprocessing.spawn import ProcessRaisedException
from typing_extensions import override

from ncf.errors import ModelError

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
