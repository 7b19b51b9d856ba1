"""Neural Matrix Factorization: GMF and MLP under one output (He et al., 2017, section 3.4)."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Self

import torch
from torch import Tensor, nn

from ncf.errors import ModelError
from ncf.models.gmf import GMF
from ncf.models.mlp import MLP


class NeuMF(nn.Module):
    """GMF and MLP, each with embeddings of its own, joined in the last layer.

    The paper's equation 12:

        y_ui = sigmoid(h . [phi_GMF ; phi_MLP] + b)

    Since h . [phi_GMF ; phi_MLP] = h_GMF . phi_GMF + h_MLP . phi_MLP, the logit is the sum of the two halves' logits,
    and that is how it is computed. The one bias b is the sum of the halves' biases.

    Args:
        num_users, num_items: table sizes.
        embedding_dim: factors of the GMF half.
        layers: widths of the MLP half's tower.
        dropout: share of hidden outputs dropped in training, in the MLP half.
        generator: source of the initial values.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int,
        layers: Sequence[int],
        dropout: float = 0.0,
        *,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        fan_in = embedding_dim + layers[-1]
        self.gmf = GMF(num_users, num_items, embedding_dim, generator=generator, fan_in=fan_in)
        self.mlp = MLP(num_users, num_items, layers, dropout, generator=generator, fan_in=fan_in)

    @classmethod
    def from_pretrained(cls, gmf: GMF, mlp: MLP, alpha: float) -> Self:
        """Start from trained models (paper, section 3.4.1 and equation 13): h = [alpha h_GMF ; (1 - alpha) h_MLP].

        Embeddings and hidden layers are copied; the biases are weighted like the heads. So at the start
        logit_NeuMF = alpha logit_GMF + (1 - alpha) logit_MLP, exactly.

        Raises:
            ModelError: the two models have different numbers of users or items.
        """
        shapes = [(m.user_embedding.num_embeddings, m.item_embedding.num_embeddings) for m in (gmf, mlp)]
        if shapes[0] != shapes[1]:
            raise ModelError(
                "the pretrained GMF and MLP are of other numbers of (users, items)",
                got=shapes,
                allowed="equal numbers",
                do="train both on the same prepared data",
            )
        model = cls.__new__(cls)
        nn.Module.__init__(model)
        model.gmf, model.mlp = deepcopy(gmf), deepcopy(mlp)
        model.gmf.head.requires_grad_(True)  # NeuMF's h is learned, whatever GMF's was
        with torch.no_grad():
            for half, weight in ((model.gmf, alpha), (model.mlp, 1 - alpha)):
                half.head.mul_(weight)
                half.bias.mul_(weight)
        return model

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Score a few items for each user: users int64[B], items int64[B, C] -> logits float[B, C]."""
        return self.gmf(users, items) + self.mlp(users, items)

    def items_part(self) -> Tensor:
        """`items_part` of the MLP half."""
        return self.mlp.items_part()

    def score_all(self, users: Tensor, items_part: Tensor | None = None) -> Tensor:
        """Score the whole catalogue: users int64[B] -> logits float[B, num_items]; `items_part` as in MLP."""
        return self.gmf.score_all(users).add_(self.mlp.score_all(users, items_part))
