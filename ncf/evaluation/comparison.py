"""Is one model better than another? Paired over users. What follows from it is in `promotion`."""

from collections.abc import Mapping

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
