"""Generalized Matrix Factorization (He et al., 2017, section 3.2)."""

import torch
from torch import Tensor, nn

from ncf.models.layers import new_embedding, new_head, product


class GMF(nn.Module):
    """Weighted inner product of a user's and an item's embedding.

    The paper's equations 8 and 9:

        phi(p_u, q_i) = p_u * q_i                    (element by element)
        y_ui          = sigmoid(h . phi(p_u, q_i) + b)

    Here the model returns the logit h . phi + b; the sigmoid belongs to the loss. The bias b comes from the
    authors' code. With h fixed at ones, and the identity in place of the sigmoid, this is matrix factorization.

    Args:
        num_users, num_items: table sizes.
        embedding_dim: factors.
        ones: whether h is all ones and not learned.
        generator: source of the initial values.
        fan_in: inputs of the output layer, for its initial values; NeuMF's is wider than this half of it.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int,
        *,
        generator: torch.Generator,
        ones: bool = False,
        fan_in: int | None = None,
    ) -> None:
        super().__init__()
        self.user_embedding = new_embedding(num_users, embedding_dim, generator)
        self.item_embedding = new_embedding(num_items, embedding_dim, generator)
        head = torch.ones(embedding_dim) if ones else new_head(embedding_dim, fan_in or embedding_dim, generator)
        self.head = nn.Parameter(head, requires_grad=not ones)
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Score a few items for each user: users int64[B], items int64[B, C] -> logits float[B, C]."""
        phi = self.user_embedding(users)[:, None] * self.item_embedding(items)  # [B, C, D]
        return phi @ self.head + self.bias

    def items_part(self) -> None:
        """None: no part of `score_all` depends on the items alone."""

    def score_all(self, users: Tensor, items_part: Tensor | None = None) -> Tensor:
        """Score the whole catalogue: users int64[B] -> logits float[B, num_items].

        A user's logits are bit for bit the same, whoever else is scored. `items_part` is not used; MLP has it.
        """
        return product(self.user_embedding(users) * self.head, self.item_embedding.weight.T).add_(self.bias)
