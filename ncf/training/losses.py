"""What a training minimises: functions of logits and labels [B, 1 + N], whose column 0 is the positive."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


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
