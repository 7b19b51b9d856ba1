"""Products of a layer by oneDNN, which torch ships: on some processors twice as fast as the library torch asks itself.

torch multiplies float32 matrices by MKL, which leaves the widest instructions of other makers' processors unused
(docs/decisions/onednn.md).
"""

from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

THERE = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
LARGE = 2**20  # multiplications, from which on oneDNN's own cost a call is less than it saves
LARGE_OUTPUT = 2**11  # numbers of a product of two tall matrices; on smaller ones MKL is as fast


def linear(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Rows float[..., I] @ weight float[O, I] transposed + bias float[O] -> float[..., O].

    The numbers are nn.functional.linear's, but for rounding.
    """
    if not _suits(rows, weight):
        return nn.functional.linear(rows, weight, bias)
    # oneDNN takes a thousand times longer for parts of matrices
    flat = rows.reshape(-1, rows.shape[-1]).contiguous()
    found: Tensor = _Linear.apply(flat, weight.contiguous(), bias)
    return found.view(*rows.shape[:-1], len(weight))


def _suits(rows: Tensor, weight: Tensor) -> bool:
    return (
        rows.numel() * len(weight) >= LARGE
        and rows.device.type == "cpu"
        and rows.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()  # torch.compile knows oneDNN with weights that never change alone
        and THERE
    )


def _product(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Rows float[B, I] @ weight float[O, I] transposed + bias float[O] -> float[B, O]."""
    found: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return found


class _Linear(torch.autograd.Function):
    @staticmethod
    @override
    def forward(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return _product(rows, weight, bias)

    @staticmethod
    @override
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    @override
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        (rows, weight), gradient = ctx.saved_tensors, gradients[0].contiguous()
        wants_rows, wants_weight, wants_bias = ctx.needs_input_grad
        of_rows = _product(gradient, weight.T) if wants_rows else None
        of_weight = _between(gradient, rows) if wants_weight else None
        return of_rows, of_weight, gradient.sum(0) if wants_bias else None


def _between(left: Tensor, right: Tensor) -> Tensor:
    """Left float[B, O] transposed @ right float[B, I] -> float[O, I]."""
    if left.shape[1] * right.shape[1] < LARGE_OUTPUT:
        return left.T @ right
    return _product(left.T, right.T)
