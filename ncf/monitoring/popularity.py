"""Popularity shift: the population stability index (PSI) over classes of popularity.

PSI = sum over the classes b of (q_b - p_b) ln(q_b / p_b), where p_b and q_b are the shares of the interactions before
and after that went to the items of class b. It is 0 for equal shares, and the same in both directions.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from ncf.data.columns import Indices
from ncf.data.history import History

Shares = NDArray[np.float64]

CLASSES = 10  # of popularity, each with a tenth of the interactions; the usual number of PSI's bins
SMOOTHING = 0.5  # interactions added to a class, so that an empty one has a logarithm


class Shift(BaseModel):
    """Shares of the interactions by class, the most popular class first; the last class is items that nobody had.

    Attributes:
        psi: see the module.
        by_chance: mean of PSI if nothing has changed, by the number of interactions alone.
        before: shares of the newest tenth of the model's interactions.
        after: shares of the new interactions.
    """

    psi: float
    by_chance: float
    before: list[float]
    after: list[float]


def popularity_shift(history: History, new_counts: Indices) -> Shift:
    """Compare the newest tenth of the model's interactions with the new ones.

    Items are classed by their interactions before that tenth, so that both sides are newer than their classes. The
    whole past would be a bad yardstick: users never have an item twice, so new interactions are always less popular.

    Args:
        history: of the model's data.
        new_counts: int64[at least the model's num_items], new interactions of each item, unknown items at the end.
    """
    unknown = len(new_counts) - len(history.early)
    classes = np.append(popularity_classes(history.early), np.full(unknown, CLASSES))
    before = _per_class(classes, np.append(history.recent, np.zeros(unknown, dtype=np.int64)))
    after = _per_class(classes, new_counts)
    return Shift(
        psi=psi(before, after),
        by_chance=psi_by_chance(int(before.sum()), int(after.sum()), CLASSES + 1),
        before=_shares(before).tolist(),
        after=_shares(after).tolist(),
    )


def popularity_classes(counts: Indices, classes: int = CLASSES) -> Indices:
    """Class of each item, from 0 for the most popular; all classes have about the same number of interactions.

    Items are laid end to end, the most popular first, each as long as its interactions; an item's class is where its
    middle lies. Ties are in the catalogue's order. Items without interactions are in a class of their own, the last.
    Some classes stay empty if one item has more than its share.
    """
    if not counts.any():
        return np.full(len(counts), classes, dtype=np.int64)
    order = np.argsort(-counts, kind="stable")
    ordered = counts[order]
    middle = (ordered.cumsum() - ordered / 2) / counts.sum()
    found = np.empty(len(counts), dtype=np.int64)
    found[order] = np.where(ordered > 0, np.minimum(middle * classes, classes - 1), classes).astype(np.int64)
    return found


def psi(before: Indices, after: Indices, smoothing: float = SMOOTHING) -> float:
    """Population stability index of two sets of interactions by class, int64[B] each; equal shares give 0.

    The smoothing is a number of interactions that is added to every class, as a share of the smaller set.
    """
    added = smoothing / max(1, min(int(before.sum()), int(after.sum())))
    p, q = (_shares(counts) + added for counts in (before, after))
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def psi_by_chance(before: int, after: int, classes: int) -> float:
    """Mean of PSI for samples of N (before) and M (after) interactions of one distribution over B classes.

    (B - 1) (1/N + 1/M), as for chi-square; infinite for no sample.
    """
    return (classes - 1) * (1 / before + 1 / after) if before and after else float("inf")


def _per_class(classes: Indices, counts: Indices) -> Indices:
    return np.bincount(classes, weights=counts, minlength=CLASSES + 1).astype(np.int64)


def _shares(counts: Indices) -> Shares:
    return counts.astype(np.float64) / max(1, int(counts.sum()))
