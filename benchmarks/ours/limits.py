"""What this machine can do at best: products of large matrices, and copying of large arrays, in float32."""

import time
from collections.abc import Callable
from typing import Any

import torch

TRIES = 7


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """GFLOP/s of a square product and GB/s of a copy (read and written bytes), the best of some tries."""
    size, numbers = job["matrix_size"], job["copied_numbers"]
    a, b = torch.rand(size, size), torch.rand(size, size)
    product = torch.empty(size, size)
    source, target = torch.rand(numbers), torch.empty(numbers)
    return {
        "gflops": 2 * size**3 / _best_seconds(lambda: torch.mm(a, b, out=product)) / 1e9,
        "gb_per_second": 2 * 4 * numbers / _best_seconds(lambda: target.copy_(source)) / 1e9,
    }


def _best_seconds(function: Callable[[], object]) -> float:
    seconds = []
    for _ in range(TRIES):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
