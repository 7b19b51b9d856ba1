"""Settings of the hardware to compute on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from pydantic import Field

from ncf.config import Settings

SAMPLES_PER_THREAD = 8_192  # from here on, two threads are faster: row "best" of benchmarks/results/speed.md


def available_cores() -> int:
    """Cores that this process may use: its affinity, its container's CPU quota, and $LOKY_MAX_CPU_COUNT limit them."""
    from joblib.externals.loky import cpu_count  # takes .3 s to import

    return int(cpu_count())


class HardwareConfig(Settings):
    """Where to compute. No setting here changes what a model learns, apart from rounding."""

    accelerator: Literal["auto", "cpu", "gpu", "mps"] = Field(
        default="auto", description="device; auto uses a GPU if there is one"
    )
    precision: Literal["float32", "bf16-mixed"] = Field(
        default="float32", description="bf16-mixed is for GPUs: half the memory traffic, less precision"
    )
    devices: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="number of GPUs, or of CPU processes, that train together; each has a shard of every step",
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description=f"CPU threads per process; empty: one for every {SAMPLES_PER_THREAD:,} samples of a batch, at most "
        "one per core, since with less work threads wait for each other longer than they compute; evaluation and "
        "recommendation then use one",
    )
    compile: bool | None = Field(
        default=None,
        description="compile the training step; empty: on a CPU with a C++ compiler, the step is compiled for this "
        "processor and many times as fast (not with gradient_clip, negatives all, bf16-mixed or several devices); "
        "true: fail without a compiler, and use torch.compile for the loss where the step can't be compiled",
    )
    scoring_memory_mb: int = Field(
        default=16,
        ge=1,
        le=1_000_000,
        description="MB for the scores of one block of users (at least one user) in evaluation and recommendation; a "
        "few times as much is in use at once; 16 fit in a CPU's cache, and a GPU needs more",
    )

    def threads_for(self, batch_size: int) -> int:
        """CPU threads of one process for a training with this batch size, in samples."""
        if self.threads is not None:
            return self.threads
        return max(1, min(available_cores() // self.devices, batch_size // self.devices // SAMPLES_PER_THREAD))

    @property
    def scoring_threads(self) -> int:
        """CPU threads of evaluation and recommendation."""
        return self.threads or 1


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Use this number of threads in torch, and restore the previous number afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
