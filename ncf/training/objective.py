"""The losses: functions of logits and labels [B, 1 + N], where column 0 is the positive."""

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from ncf.config import TrainingConfig
from ncf.models.build import Model
from ncf.models.layers import Table, sum_by_row
from ncf.training.all_pairs import Block
from ncf.training.batches import Step


def bce(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross entropy, mean over all samples (paper, eq. 7); explicit labels are between 0 and 1."""
    return nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))


def mse(logits: Tensor, labels: Tensor) -> Tensor:
    """Squared error of the probability, mean over all samples (paper, eq. 5, with equal weights)."""
    return nn.functional.mse_loss(torch.sigmoid(logits), labels.to(logits.dtype))


def least_squares(logits: Tensor, labels: Tensor) -> Tensor:
    """Squared error of the score itself, mean over all samples (paper, eq. 5, where a_out is the identity)."""
    return nn.functional.mse_loss(logits, labels.to(logits.dtype))


def bpr(logits: Tensor, labels: Tensor) -> Tensor:
    """-log sigmoid(positive - negative), mean over the negatives (Rendle et al., BPR, UAI 2009); ignores the labels."""
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
"""The losses of single pairs, for those that need no drawn negatives: logits and labels float[...] -> float[...]."""

OF_ZERO: dict[str, Callable[[Tensor], Tensor]] = {
    "bce": nn.functional.softplus,
    "mse": lambda logits: torch.sigmoid(logits).square(),
    "least-squares": torch.square,
}
"""The same for labels of 0."""


def loss_of_rows(config: TrainingConfig, logits: Tensor, labels: Tensor) -> Tensor:
    """The loss of each positive with its negatives, whose mean is the loss of them all: float[B]."""
    if config.loss == "bpr":
        return nn.functional.softplus(logits[:, 1:] - logits[:, :1]).mean(dim=1)
    return OF_LABELS[config.loss](logits, labels.to(logits.dtype)).mean(dim=1)


def step_loss(model: Model, config: TrainingConfig, step: Step | Block) -> Tensor:
    """Mean over the step's samples, or weighted mean over the block's pairs; a scalar."""
    if isinstance(step, Block):
        return all_pairs_loss(model, config, step)
    logits = model(step.users, step.items)
    if step.weights is None:
        loss = LOSSES[config.loss](logits, step.labels)
    else:
        loss = (step.weights * loss_of_rows(config, logits, step.labels)).mean()
    if config.embedding_l2 == 0:
        return loss
    l2 = _tables_l2(model) if config.l2_over == "tables" else samples_l2(model, step.users, step.items)
    return loss + config.embedding_l2 * l2


def all_pairs_loss(model: Model, config: TrainingConfig, block: Block) -> Tensor:
    """Weighted mean over all pairs of a block's users; a scalar.

    First every pair counts as unobserved, with its user's weight; then the observed pairs are corrected. So labels and
    weights need no array of the size of the scores.
    """
    of_zero, of_labels = OF_ZERO[config.loss], OF_LABELS[config.loss]
    logits = model.score_all(block.users).float()  # [B, num_items]
    observed = logits[block.rows, block.items]  # [P]
    correction = block.weights * of_labels(observed, block.labels) - block.unobserved[block.rows] * of_zero(observed)
    total = block.totals.sum()
    loss = (block.unobserved @ of_zero(logits).sum(dim=1) + correction.sum()) / total
    if config.embedding_l2 == 0:
        return loss
    l2 = _tables_l2(model) if config.l2_over == "tables" else _pairs_l2(model, block) / total
    return loss + config.embedding_l2 * l2


def _tables_l2(model: Model) -> Tensor:
    """Squared length of all embeddings, as in the authors' code (Keras' `l2` on Embedding)."""
    tables = [module.weight for module in model.modules() if isinstance(module, Table)]
    return torch.stack([table.square().sum() for table in tables]).sum()


def samples_l2(model: Model, users: Tensor, items: Tensor) -> Tensor:
    """Mean over the samples of |p_u|^2 + |q_i|^2: users int64[B], items int64[B, C] -> scalar."""
    tables = _table_pairs(model)
    return _sum(of_user.mean_squared_length(users) + of_item.mean_squared_length(items) for of_user, of_item in tables)


def _pairs_l2(model: Model, block: Block) -> Tensor:
    """Sum over all pairs of weight * (|p_u|^2 + |q_i|^2), from the sums of the weights by user and by item."""
    tables = _table_pairs(model)
    of_users = _sum(of_user(block.users).square().sum(dim=-1) for of_user, _ in tables)  # [B]
    of_items = _sum(of_item.squared_lengths() for _, of_item in tables)  # [num_items]
    extra = block.weights - block.unobserved[block.rows]  # weight of an observed pair over an unobserved one
    by_item = block.unobserved.sum() + sum_by_row(extra[:, None], block.items, len(of_items))[:, 0]
    return block.totals @ of_users + by_item @ of_items


def _table_pairs(model: Model) -> list[tuple[Table, Table]]:
    """The embeddings of users and of items: of the model, or of each half of it."""
    halves: list[Any] = [part for part in model.modules() if hasattr(part, "user_embedding")]
    return [(half.user_embedding, half.item_embedding) for half in halves]


def _sum(values: Iterable[Tensor]) -> Tensor:
    return reduce(torch.add, values)
