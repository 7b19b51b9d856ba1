"""Is one model better than another? Paired over users. What follows from it is in `promotion`."""

from collections.abc import Iterable, Mapping
from statistics import NormalDist

import numpy as np
import pandas as pd

from ncf.data.columns import ITEM_ID, USER_ID
from ncf.data.prepared import PreparedData
from ncf.evaluation.metrics import Mean, Values, mean_with_interval

PROMOTION_METRIC = "full/ndcg_at_10"


def paired_difference(ours: Values, theirs: Values) -> Mean:
    """Mean over the same users of ours - theirs, with its 95 % interval."""
    return mean_with_interval(ours - theirs)


def stronger_baseline(name: str, model: Values, baselines: Mapping[str, Values]) -> str:
    """A sentence that names the best of the baselines if it is better than the model; else nothing.

    Args:
        name: the model's.
        model: NDCG@10 of full ranking on the test holdout, one value a user.
        baselines: the same of each baseline.
    """
    best = max(baselines, key=lambda baseline: baselines[baseline].mean(), default=None)
    if best is None or baselines[best].mean() <= model.mean():
        return ""
    difference = paired_difference(baselines[best], model)
    return (
        f"The baseline {best} is better than {name}: NDCG@10 {baselines[best].mean():.4f} against {model.mean():.4f} "
        f"(difference {signed(difference)}{'; it may be chance' if difference.low <= 0 else ''})."
    )


def signed(difference: Mean) -> str:
    """A difference as text, with its sign and 95 % interval."""
    return f"{difference.value:+.4f}, 95 % interval {difference.low:+.4f} to {difference.high:+.4f}"


SKETCH_SIZE = 128  # hashes: the standard error of a likeness is then 0.044 at most
DIGITS = 16  # hexadecimal, of a hash


def holdout_sketch(data: PreparedData) -> str:
    """What `likeness` needs to know of the test holdout: the smallest hashes of its pairs of ids, as text.

    A bottom-k sketch (Broder 1997): of two sets, the smallest hashes of both together are a random sample.
    """
    pairs = data.test.pairs
    frame = pd.DataFrame({USER_ID: data.user_ids[pairs.users], ITEM_ID: data.item_ids[pairs.items]})
    hashes = np.sort(pd.util.hash_pandas_object(frame, index=False).to_numpy())
    return "".join(f"{value:0{DIGITS}x}" for value in hashes[:SKETCH_SIZE].tolist())


def likeness(ours: str, theirs: str) -> float:
    """Pairs that two test holdouts have in common, divided by those of either: 0 for none, 1 for the same holdout.

    Args:
        ours: a sketch.
        theirs: another's sketch.
    """
    mine, others = set(_hashes(ours)), set(_hashes(theirs))
    sample = sorted(mine | others)[:SKETCH_SIZE]
    return sum(value in mine and value in others for value in sample) / max(1, len(sample))


def _hashes(sketch: str) -> Iterable[str]:
    return (sketch[start : start + DIGITS] for start in range(0, len(sketch), DIGITS))


def widening_after(earlier: float, confidence: float) -> float:
    """How many times as wide the interval must be for a challenger after so many on the same holdout.

    The k-th challenger is judged with a k^2-th of the first one's chance of error at each side. However many come,
    their chances together are then at most pi^2 / 6 = 1.64 times that of the first: 4.1 % where it has 2.5.

    Args:
        earlier: challengers that this holdout has judged before; of one that was judged on a part of it, that part.
        confidence: of the first challenger's two-sided interval.
    """
    tail = (1 - confidence) / 2
    first, now = (NormalDist().inv_cdf(1 - chance) for chance in (tail, tail / (1 + earlier) ** 2))
    return now / first
