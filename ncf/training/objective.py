"""What a training minimises: functions of logits and labels [B, 1 + N], whose column 0 is the positive."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ncf.config import TrainingConfig
from ncf.models.build import Model
from ncf.models.layers import Table, sum_by_row
from ncf.training.batches import Step
from ncf.training.epoch import Block


def bce(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross entropy, mean over all (paper, eq. 7); explicit labels lie between 0 and 1."""
    return nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))


def mse(logits: Tensor, labels: Tensor) -> Tensor:
    """Squared difference of the probability and the label, mean over all (paper, eq. 5, with equal weights)."""
    return nn.functional.mse_loss(torch.sigmoid(logits), labels.to(logits.dtype))


def least_squares(logits: Tensor, labels: Tensor) -> Tensor:
    """Squared difference of the score itself and the label, mean over all (paper, eq. 5; a_out is the identity)."""
    return nn.functional.mse_loss(logits, labels.to(logits.dtype))


def bpr(logits: Tensor, labels: Tensor) -> Tensor:
    """-log sigmoid(positive - negative), mean over the negatives (Rendle et al., BPR, UAI 2009); needs no labels."""
    return nn.functional.softplus(logits[:, 1:] - logits[:, :1]).mean()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bce": bce,
    "mse": mse,
    "least-squares": least_squares,
    "bpr": bpr,
}

OF_LABELS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bce": lambda logits, labels: nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none"),
    "mse": lambda logits, labels: (torch.sigmoid(logits) - labels).square(),
    "least-squares": lambda logits, labels: (logits - labels).square(),
}
"""The losses that need no drawn negatives, of each pair by itself: float[...] and its labels -> float[...]."""

OF_ZERO: dict[str, Callable[[Tensor], Tensor]] = {
    "bce": nn.functional.softplus,
    "mse": lambda logits: torch.sigmoid(logits).square(),
    "least-squares": torch.square,
}
"""The same where every label is 0."""


def step_loss(model: Model, config: TrainingConfig, step: Step | Block) -> Tensor:
    """Mean over the step's samples, or weighted mean over the block's pairs; a scalar."""
    if isinstance(step, Block):
        return all_pairs_loss(model, config, step)
    loss = LOSSES[config.loss](model(step.users, step.items), step.labels)
    if config.embedding_l2 > 0:
        tables = config.l2_over == "tables"
        loss = loss + config.embedding_l2 * (_tables(model) if tables else model.squared_norm(step.users, step.items))
    return loss


def all_pairs_loss(model: Model, config: TrainingConfig, block: Block) -> Tensor:
    """Weighted mean over all pairs of a block's users.

    Every pair is taken as unobserved first, with one weight a user; then the observed ones are put right. So no array
    of the size of the scores is needed for labels or weights.
    """
    of_zero, of_labels = OF_ZERO[config.loss], OF_LABELS[config.loss]
    logits = model.score_all(block.users).float()  # [B, num_items]
    observed = logits[block.rows, block.items]  # [P]
    right = of_labels(observed, block.labels) - block.unobserved[block.rows] * of_zero(observed)
    total = block.totals.sum()
    loss = (block.unobserved @ of_zero(logits).sum(dim=1) + right.sum()) / total
    if config.embedding_l2 > 0:
        tables = config.l2_over == "tables"
        loss = loss + config.embedding_l2 * (_tables(model) if tables else _pairs(model, block) / total)
    return loss


def _tables(model: Model) -> Tensor:
    """Squared length of all embeddings, as the authors' code has it (Keras' `l2` on Embedding)."""
    tables = [module.weight for module in model.modules() if isinstance(module, Table)]
    return torch.stack([table.square().sum() for table in tables]).sum()


def _pairs(model: Model, block: Block) -> Tensor:
    """Sum over all pairs of weight * (|p_u|^2 + |q_i|^2), with the weights added up by user and by item."""
    of_users, of_items = model.squared_lengths(block.users)
    more = 1 - block.unobserved[block.rows]  # of an observed pair
    by_item = block.unobserved.sum() + sum_by_row(more[:, None], block.items, len(of_items))[:, 0]
    return block.totals @ of_users + by_item @ of_items
