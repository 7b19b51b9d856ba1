"""Products that round a row alike whichever rows are computed with it, so that a user's scores are always the same.

A library for matrices computes few rows, or odd places in memory, by other instructions, which round otherwise. Sizes
that are multiples of these leave it one way (tests/ncf/models/test_alike.py).
"""

import torch
from torch import Tensor, nn

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
