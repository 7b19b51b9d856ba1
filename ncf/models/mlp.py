"""Multi-Layer Perceptron (He et al., 2017, section 3.3)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from ncf.models.layers import (
    COLUMNS,
    Dropout,
    Table,
    linear,
    lookup,
    new_embedding,
    new_head,
    new_layer,
    padded,
    product,
    tiles_of,
)

TILE = 2**19  # hidden units of a layer that score_all holds at once: 2 MB, which stay in a CPU's cache


class MLP(nn.Module):
    """A tower of ReLU layers over a user's and an item's embedding.

    The paper's equation 10:

        z_1   = [p_u ; q_i]
        z_l   = relu(W_l z_(l-1) + b_l)              l = 2 .. L
        y_ui  = sigmoid(h . z_L + b)

    The model returns the logit h . z_L + b. The first product is split, W [p_u ; q_i] = W_user p_u + W_item q_i, so
    that the user's half is computed once for all the items scored with it: the same numbers, fewer products.

    Args:
        num_users, num_items: table sizes.
        layers: widths from the tower's input, [p_u ; q_i], down to z_L; the first must be even.
        dropout: share of each hidden layer's outputs dropped in training.
        generator: source of the initial values.
        fan_in: inputs of the output layer, for its initial values; NeuMF's is wider than this half of it.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        layers: Sequence[int],
        dropout: float = 0.0,
        *,
        generator: torch.Generator,
        fan_in: int | None = None,
    ) -> None:
        super().__init__()
        self.user_embedding = new_embedding(num_users, layers[0] // 2, generator)
        self.item_embedding = new_embedding(num_items, layers[0] // 2, generator)
        self.tower = nn.ModuleList(
            new_layer(width_in, width_out, generator) for width_in, width_out in pairwise(layers)
        )
        self.dropout = Dropout(dropout)
        self.head = nn.Parameter(new_head(layers[-1], fan_in or layers[-1], generator))
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Score a few items for each user: users int64[B], items int64[B, C] -> logits float[B, C]."""
        first = self._layers[0]
        weight_user, weight_item = first.weight.chunk(2, dim=1)
        user_half = _half(self.user_embedding, users, weight_user, first.bias)  # [B, H]
        return self._logits(user_half[:, None] + _half(self.item_embedding, items, weight_item))

    @property
    def _layers(self) -> list[nn.Linear]:
        return cast("list[nn.Linear]", list(self.tower))  # nn.ModuleList forgets the type

    def items_part(self) -> Tensor:
        """The items' half of the first layer, float[H, num_items and a few]."""
        return padded(self._layers[0].weight.chunk(2, dim=1)[1] @ self.item_embedding.weight.T)

    def score_all(self, users: Tensor, items_part: Tensor | None = None) -> Tensor:
        """Score the whole catalogue: users int64[B] -> logits float[B, num_items], the same bits in any company.

        The halves of the first layer are computed once; from there on a tile of users and items at a time goes through
        the tower, so that its hidden units stay in a CPU's cache. `items_part` is what the method of that name gave, if
        the weights have not changed since; None computes it.
        """
        first, *others = self._layers
        weight_user = first.weight.chunk(2, dim=1)[0]
        user_half = product(self.user_embedding(users), weight_user.T) + first.bias  # [B, H]
        num_items = self.item_embedding.num_embeddings
        item_half = self.items_part() if items_part is None else items_part
        columns = min(item_half.shape[1], max(COLUMNS, TILE // len(item_half) // COLUMNS * COLUMNS))
        rows = max(1, TILE // (len(item_half) * columns))
        tiles = [
            [self._tile(down, right, others) for right in item_half.split(columns, dim=1)]
            for down in tiles_of(user_half, rows)
        ]
        scores = torch.cat([torch.cat(row, dim=1) if len(row) > 1 else row[0] for row in tiles])
        return scores.add_(self.bias)[: len(users), :num_items]

    def _tile(self, user_half: Tensor, item_half: Tensor, layers: Sequence[nn.Linear]) -> Tensor:
        """Halves of the first layer, [B, H] and [H, C] -> logits less the bias, [B, C].

        One product a user, with the hidden units in the rows: fastest for so few units, and rounded alike for each user
        wherever in a tile it is.
        """
        hidden = (user_half[:, :, None] + item_half).relu_()  # [B, H, C]
        for layer in layers:
            weights = layer.weight.expand(len(hidden), -1, -1)
            hidden = torch.baddbmm(layer.bias[:, None], weights, self.dropout(hidden)).relu_()
        return torch.bmm(self.head.expand(len(hidden), 1, -1), self.dropout(hidden))[:, 0]

    def _logits(self, hidden: Tensor) -> Tensor:
        """Sums of the halves of the first layer, [B, C, H] -> [B, C]."""
        hidden = self.dropout(hidden.relu_())
        for layer in self._layers[1:]:
            hidden = self.dropout(linear(hidden, layer.weight, layer.bias).relu_())
        return hidden @ self.head + self.bias


def _half(table: Table, rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Of the first layer: rows int64[...] -> float[..., H]; a product for each row of the table, if these are fewer."""
    if rows.numel() > table.num_embeddings:
        return lookup(linear(table.weight, weight, bias), rows)
    return linear(table(rows), weight, bias)
