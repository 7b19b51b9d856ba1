"""Initial values, drawn from a generator that is handed in (never from the global one)."""

import math

import torch
from torch import Tensor, nn

from ncf.models.table import Table

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
