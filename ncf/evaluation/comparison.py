"""Is one model better than another? Paired differences over users, and repeated tests on the same holdout."""

import math
from collections.abc import Iterable, Mapping
from statistics import NormalDist

import numpy as np
import pandas as pd

from ncf.data import ITEM_ID, USER_ID
from ncf.data.prepared import PreparedData
from ncf.evaluation.metrics import Mean, Values, difference_interval

PROMOTION_METRIC = "full/ndcg_at_10"


def paired_difference(ours: Values, theirs: Values, confidence: float = 0.95) -> Mean:
    """Mean over the same users of ours - theirs, with its interval: see `difference_interval`."""
    differences = ours - theirs
    error = float(differences.std()) / math.sqrt(len(differences))
    quantile = NormalDist().inv_cdf((1 + confidence) / 2)
    return difference_interval(differences, float(differences.mean()), error, len(differences), quantile)


def stronger_baseline(model: Values, baselines: Mapping[str, Values]) -> str:
    """A clause that names the best baseline if it is better than the model; otherwise an empty text.

    Args:
        model: NDCG@10 of full ranking on the test holdout, float64[U], one value per user.
        baselines: the same of each baseline, by its name.
    """
    best = max(baselines, key=lambda baseline: baselines[baseline].mean(), default=None)
    if best is None or baselines[best].mean() <= model.mean():
        return ""
    difference = paired_difference(baselines[best], model)
    is_better = "is surely better" if difference.low > 0 else "is better on average, which may be chance"
    beside = f"NDCG@10 {baselines[best].mean():.4f} against {model.mean():.4f} (difference {signed(difference)})"
    return f"the baseline {best} {is_better}: {beside}"


def signed(difference: Mean) -> str:
    """A difference as text, with its sign and 95 % interval."""
    return f"{difference.value:+.4f}, 95 % interval {difference.low:+.4f} to {difference.high:+.4f}"


SKETCH_SIZE = 128  # hashes: the standard error of a likeness is at most 0.044
DIGITS = 16  # hexadecimal, of a hash


def holdout_sketch(data: PreparedData) -> str:
    """The smallest hashes of the test holdout's pairs of ids, as text, for `likeness`.

    A bottom-k sketch (Broder 1997): the smallest hashes of the union of two sets are a random sample of it.
    """
    pairs = data.test.pairs
    frame = pd.DataFrame({USER_ID: data.user_ids[pairs.users], ITEM_ID: data.item_ids[pairs.items]})
    hashes = np.sort(pd.util.hash_pandas_object(frame, index=False).to_numpy())
    return "".join(f"{value:0{DIGITS}x}" for value in hashes[:SKETCH_SIZE].tolist())


def likeness(ours: str, theirs: str) -> float:
    """Jaccard similarity of two test holdouts: the share of their pairs that are in both, 1 for the same holdout.

    Args:
        ours: sketch of a holdout.
        theirs: sketch of another one.
    """
    mine, others = set(_hashes(ours)), set(_hashes(theirs))
    sample = sorted(mine | others)[:SKETCH_SIZE]
    return sum(value in mine and value in others for value in sample) / max(1, len(sample))


def _hashes(sketch: str) -> Iterable[str]:
    return (sketch[start : start + DIGITS] for start in range(0, len(sketch), DIGITS))


def widening_after(earlier: float, confidence: float) -> float:
    """Factor by which the interval widens for a challenger after earlier ones on the same holdout.

    The k-th challenger is tested with 1 / k^2 of the first one's error probability on each side. However many there
    are, their total error probability is at most pi^2 / 6 = 1.64 times that of the first: 4.1 % for 2.5 %.

    Args:
        earlier: number of earlier challengers on this holdout, each weighted by the `likeness` of its own holdout.
        confidence: that of the first challenger's two-sided interval.
    """
    tail = (1 - confidence) / 2
    first, now = (NormalDist().inv_cdf(1 - error) for error in (tail, tail / (1 + earlier) ** 2))
    return now / first
