"""Where to compute, as settings."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from pydantic import Field

from ncf.config import Settings

SAMPLES_PER_THREAD = 8_192  # where two threads begin to be faster: row "best" of benchmarks/results/speed.md


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class HardwareConfig(Settings):
    """Where to compute. No setting here changes what a model learns, beyond rounding."""

    accelerator: Literal["auto", "cpu", "gpu", "mps"] = Field(
        default="auto", description="device; auto takes a GPU where there is one"
    )
    precision: Literal["float32", "bf16-mixed"] = Field(
        default="float32", description="bf16-mixed is for GPUs: it halves what is read and written, and rounds more"
    )
    devices: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="GPUs that train together, or CPU processes; each has a part of every step",
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description=f"CPU threads per process; empty: one for every {SAMPLES_PER_THREAD:,} samples of a batch, as far "
        "as there are cores, since on smaller work threads wait for each other longer than they compute; "
        "evaluation and recommendation then take one",
    )
    compile: bool | None = Field(
        default=None,
        description="compile the training step; empty: on a CPU, if there is a C++ compiler, C++ for this very "
        "processor makes it whole, many times as fast (not with gradient_clip, all pairs as negatives, bf16-mixed or "
        "several devices); true insists on the compiler, and elsewhere has torch.compile take the loss",
    )
    scoring_memory_mb: int = Field(
        default=16,
        ge=1,
        le=1_000_000,
        description="MB that the scores of one block of users may take in evaluation and recommendation, at the least "
        "one user's; a few times as much is held at once; 16 stay in a CPU's cache, a GPU wants more",
    )

    def threads_for(self, batch_size: int) -> int:
        """CPU threads of one process for a training with batches of so many samples."""
        if self.threads is not None:
            return self.threads
        return max(1, min(available_cores() // self.devices, batch_size // self.devices // SAMPLES_PER_THREAD))

    @property
    def scoring_threads(self) -> int:
        """CPU threads of evaluation and recommendation."""
        return self.threads or 1


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Compute with so many threads, and put the number back that was there."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
