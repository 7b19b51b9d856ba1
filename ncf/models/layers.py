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


LEVELS = 2**16  # of a random 16-bit integer


class Dropout(nn.Dropout):
    """nn.Dropout with a cheaper mask: torch draws a number for each value, one by one; here 64 bits make four masks.

    The share dropped is met to 1 / 65,536. The mask comes from the global generator of the values' device.
    """

    @override
    def forward(self, input: Tensor) -> Tensor:
        """float[...] -> float[...]; the numbers that stay are scaled so that the mean stays."""
        if torch.compiler.is_compiling():  # which draws a mask in passing
            return super().forward(input)
        levels = min(round(self.p * LEVELS), LEVELS - 1)
        return input * _mask(input, levels) if self.training and levels else input


def _mask(values: Tensor, levels: int) -> Tensor:
    """1 / (share kept) where a number stays, else 0; of the values' shape and dtype."""
    scale, least = LEVELS / (LEVELS - levels), levels - LEVELS // 2
    bits = torch.empty(-(-values.numel() // 4), dtype=torch.int64, device=values.device).random_(-(2**63), None)
    numbers = bits.view(torch.int16)[: values.numel()].view(values.shape)
    kept = numbers.to(torch.float32).sub_(least - 1).clamp_(0, 1)  # of whole numbers: 0 or 1
    return kept.mul_(scale).to(values.dtype)


ROWS = 8
COLUMNS = 16  # float32s of a cache line


def product(rows: Tensor, table: Tensor) -> Tensor:
    """Rows float[B, D] @ table float[D, C] -> float[B, C]."""
    missing = -len(rows) % ROWS
    if not missing:
        return rows @ table
    return (torch.cat([rows, rows.new_zeros(missing, rows.shape[1])]) @ table)[: len(rows)]


def padded(table: Tensor) -> Tensor:
    """Float[D, C] with columns of zeros up to the next multiple of `COLUMNS`."""
    return nn.functional.pad(table, (0, -table.shape[1] % COLUMNS))


def tiles_of(rows: Tensor, size: int) -> tuple[Tensor, ...]:
    """Rows float[B, D] in tiles of `size` rows; zeros lengthen a last tile that has fewer rows than there are threads.

    Several threads share the products of a tile, one a row; fewer products than threads they cut up.
    """
    if torch.compiler.is_compiling():  # a step of training, where nobody compares bits; it can't ask for the threads
        return rows.split(size)
    last = len(rows) % size
    missing = max(0, min(size, torch.get_num_threads()) - last) if last else 0
    return (torch.cat([rows, rows.new_zeros(missing, rows.shape[1])]) if missing else rows).split(size)
