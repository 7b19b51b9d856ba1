"""An embedding table with a faster backward pass for large batches."""

import math
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


EMBEDDING_STD = 0.01  # the paper's Gaussian, section 4.1


def embedding(num_rows: int, dim: int, generator: torch.Generator) -> Table:
    """A table [num_rows, dim] drawn from N(0, 0.01)."""
    return Table(num_rows, dim, _weight=torch.randn(num_rows, dim, generator=generator) * EMBEDDING_STD)


def hidden_layer(width_in: int, width_out: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer, Glorot uniform with zero bias, as the authors' code has it."""
    layer = nn.utils.skip_init(nn.Linear, width_in, width_out)  # nn.Linear's own values come from the global generator
    nn.init.xavier_uniform_(layer.weight, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def head(width_in: int, fan_in: int, generator: torch.Generator) -> Tensor:
    """An output vector h [width_in], LeCun uniform for `fan_in` inputs, as the authors' code has it."""
    limit = math.sqrt(3 / fan_in)
    return (torch.rand(width_in, generator=generator) * 2 - 1) * limit
