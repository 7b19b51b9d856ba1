"""Building blocks of the models: embedding tables, linear layers, dropout, and batch-invariant products."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

LARGE_LOOKUP = 2_048  # rows at once; in smaller lookups a Python call costs more than it saves


class Table(nn.Embedding):
    """nn.Embedding with a faster backward pass for large batches: gradients are added in one call, not row by row."""

    @override
    def forward(self, input: Tensor) -> Tensor:
        """Rows int64[...] -> float[..., embedding_dim]."""
        return lookup(self.weight, input)

    def squared_lengths(self) -> Tensor:
        """|row|^2 of each row, float[num_embeddings]."""
        return self.weight.square().sum(dim=-1)

    def mean_squared_length(self, rows: Tensor) -> Tensor:
        """Mean of |row|^2 over rows int64[...], repeated rows counted again; a scalar."""
        if torch.compiler.is_compiling():  # it can't differentiate the form below, which looks up no row twice
            return nn.functional.embedding(rows, self.weight).square().sum() / rows.numel()
        ones = self.weight.new_ones(()).expand(rows.numel(), 1)
        counts = sum_by_row(ones, rows.flatten(), self.num_embeddings)[:, 0]
        return counts @ self.squared_lengths() / rows.numel()


def lookup(table: Tensor, rows: Tensor) -> Tensor:
    """Table float[N, D], rows int64[...] -> float[..., D]; `nn.functional.embedding` with a faster backward pass."""
    if rows.numel() < LARGE_LOOKUP or torch.compiler.is_compiling():
        return nn.functional.embedding(rows, table)
    looked_up: Tensor = _Lookup.apply(table, rows)
    return looked_up


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
        return sum_by_row(gradient.reshape(-1, gradient.shape[-1]), rows.flatten(), ctx.size), None


def sum_by_row(values: Tensor, rows: Tensor, size: int) -> Tensor:
    """Sum the values float[B, D] of rows int64[B] by row -> float[size, D]."""
    return values.new_zeros(size, values.shape[1]).index_add_(0, rows, values)


HAS_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
LARGE_PRODUCT = 2**20  # multiplications; in smaller products oneDNN's own cost of a call is more than it saves
LARGE_OUTPUT = 2**11  # elements of a product of two tall matrices; in smaller ones MKL is as fast


def linear(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Rows float[..., I] @ weight float[O, I] transposed + bias float[O] -> float[..., O].

    `nn.functional.linear` up to rounding. On a CPU, large products go to oneDNN, which torch ships: torch itself uses
    MKL, which leaves the widest instructions of other makers' processors unused (docs/decisions/onednn.md).
    """
    if not _onednn_is_faster(rows, weight):
        return nn.functional.linear(rows, weight, bias)
    # for a slice of a matrix oneDNN takes a thousand times longer
    flat = rows.reshape(-1, rows.shape[-1]).contiguous()
    result: Tensor = _Linear.apply(flat, weight.contiguous(), bias)
    return result.view(*rows.shape[:-1], len(weight))


def _onednn_is_faster(rows: Tensor, weight: Tensor) -> bool:
    return (
        rows.numel() * len(weight) >= LARGE_PRODUCT
        and rows.device.type == "cpu"
        and rows.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()  # torch.compile supports oneDNN for constant weights only
        and HAS_ONEDNN
    )


def _product(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Rows float[B, I] @ weight float[O, I] transposed + bias float[O] -> float[B, O]."""
    result: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return result


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
        need_rows, need_weight, need_bias = ctx.needs_input_grad
        rows_gradient = _product(gradient, weight.T) if need_rows else None
        weight_gradient = _transposed_product(gradient, rows) if need_weight else None
        return rows_gradient, weight_gradient, gradient.sum(0) if need_bias else None


def _transposed_product(left: Tensor, right: Tensor) -> Tensor:
    """Left float[B, O] transposed @ right float[B, I] -> float[O, I]."""
    if left.shape[1] * right.shape[1] < LARGE_OUTPUT:
        return left.T @ right
    return _product(left.T, right.T)


LEVELS = 2**16  # of a random 16-bit integer


class Dropout(nn.Dropout):
    """nn.Dropout with a cheaper mask: four values share one 64-bit random number, where torch draws one each.

    The share dropped is exact to 1 / 65,536. The mask comes from the global generator of the input's device.
    """

    @override
    def forward(self, input: Tensor) -> Tensor:
        """float[...] -> float[...]; the values that are kept are scaled, so that the mean does not change."""
        if torch.compiler.is_compiling():  # it fuses the mask with its neighbors
            return super().forward(input)
        levels = min(round(self.p * LEVELS), LEVELS - 1)
        return input * _mask(input, levels) if self.training and levels else input


def _mask(values: Tensor, levels: int) -> Tensor:
    """1 / (share kept) where a value is kept, else 0; same shape and dtype as the values."""
    scale, least = LEVELS / (LEVELS - levels), levels - LEVELS // 2
    bits = torch.empty(-(-values.numel() // 4), dtype=torch.int64, device=values.device).random_(-(2**63), None)
    numbers = bits.view(torch.int16)[: values.numel()].view(values.shape)
    kept = numbers.to(torch.float32).sub_(least - 1).clamp_(0, 1)  # integers: 0 or 1
    return kept.mul_(scale).to(values.dtype)


ROWS = 8
COLUMNS = 16  # float32s of a cache line


def product(rows: Tensor, table: Tensor) -> Tensor:
    """Rows float[B, D] @ table float[D, C] -> float[B, C]; the bits of a row do not depend on the other rows."""
    missing = -len(rows) % ROWS
    if not missing:
        return rows @ table
    return (torch.cat([rows, rows.new_zeros(missing, rows.shape[1])]) @ table)[: len(rows)]


def padded(table: Tensor) -> Tensor:
    """A table float[D, C] with columns of zeros up to the next multiple of `COLUMNS`."""
    return nn.functional.pad(table, (0, -table.shape[1] % COLUMNS))


def tiles_of(rows: Tensor, size: int) -> tuple[Tensor, ...]:
    """Rows float[B, D] in tiles of `size` rows; a last tile with fewer rows than threads is padded with zeros.

    Each thread computes whole products, one for each row of a tile. Fewer products than threads would be split, and
    rounded differently.
    """
    if torch.compiler.is_compiling():  # in training, where bits do not matter; it can't read the number of threads
        return rows.split(size)
    last = len(rows) % size
    missing = max(0, min(size, torch.get_num_threads()) - last) if last else 0
    return (torch.cat([rows, rows.new_zeros(missing, rows.shape[1])]) if missing else rows).split(size)


EMBEDDING_STD = 0.01  # the paper's Gaussian, section 4.1


def new_embedding(num_rows: int, dim: int, generator: torch.Generator) -> Table:
    """A table [num_rows, dim] drawn from N(0, 0.01)."""
    return Table(num_rows, dim, _weight=torch.randn(num_rows, dim, generator=generator) * EMBEDDING_STD)


def new_layer(width_in: int, width_out: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer, Glorot uniform with zero bias, as the authors' code has it."""
    layer = nn.utils.skip_init(nn.Linear, width_in, width_out)  # nn.Linear would draw from the global generator
    nn.init.xavier_uniform_(layer.weight, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def new_head(width_in: int, fan_in: int, generator: torch.Generator) -> Tensor:
    """An output vector h [width_in], LeCun uniform for `fan_in` inputs, as the authors' code has it."""
    limit = math.sqrt(3 / fan_in)
    return (torch.rand(width_in, generator=generator) * 2 - 1) * limit
