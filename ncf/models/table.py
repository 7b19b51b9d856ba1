"""An embedding table with a faster backward pass for large batches."""

from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

LARGE = 2_048  # rows looked up at once, from which on a Python call costs less than it saves


class Table(nn.Embedding):
    """nn.Embedding, the same numbers: torch's own backward pass adds row by row, this one a whole batch at once."""

    @override
    def forward(self, input: Tensor) -> Tensor:
        """Rows int64[...] -> float[..., embedding_dim]."""
        return lookup(self.weight, input)

    def squared_lengths(self) -> Tensor:
        """|row|^2 of each row, float[num_embeddings]."""
        return self.weight.square().sum(dim=-1)

    def mean_squared_length(self, rows: Tensor) -> Tensor:
        """Mean of |row|^2 over rows int64[...], as often as each occurs; a scalar.

        By counting, so that no row is looked up a second time.
        """
        if torch.compiler.is_compiling():  # torch's compiler fails at the gradient of the counted form
            return nn.functional.embedding(rows, self.weight).square().sum() / rows.numel()
        ones = self.weight.new_ones(()).expand(rows.numel(), 1)
        counts = added(ones, rows.flatten(), self.num_embeddings)[:, 0]
        return counts @ self.squared_lengths() / rows.numel()


def lookup(table: Tensor, rows: Tensor) -> Tensor:
    """Table float[N, D], rows int64[...] -> float[..., D]; nn.functional.embedding, whose backward pass is faster."""
    if rows.numel() < LARGE or torch.compiler.is_compiling():
        return nn.functional.embedding(rows, table)
    found: Tensor = _Lookup.apply(table, rows)
    return found


class _Lookup(torch.autograd.Function):
    @staticmethod
    @override
    def forward(table: Tensor, rows: Tensor) -> Tensor:
        return nn.functional.embedding(rows, table)

    @staticmethod
    @override
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        table, rows = inputs
        ctx.save_for_backward(rows)
        ctx.size = len(table)

    @staticmethod
    @override
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (rows,), [gradient] = ctx.saved_tensors, gradients
        return added(gradient.reshape(-1, gradient.shape[-1]), rows.flatten(), ctx.size), None


def added(values: Tensor, rows: Tensor, size: int) -> Tensor:
    """Values float[B, D] of rows int64[B], added up by row: float[size, D]."""
    return values.new_zeros(size, values.shape[1]).index_add_(0, rows, values)
