"""What this machine can do at best: products of large matrices, and copying of large arrays, in float32."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ncf.models.layers import linear

TRIES = 7
LAYER_ROWS, LAYER_WIDTH = 2048, 128  # of a tower's layer in one step


def limits(job: dict[str, Any]) -> dict[str, Any]:
    """GFLOP/s of a square product and of a layer, GB/s of a copy (read and written bytes); the best of some tries."""
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
    """Of a layer's product and both of its gradients."""
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
