"""Is one model better than another? Paired over users; a pure decision with its reason in words."""

from collections.abc import Mapping
from dataclasses import dataclass

from ncf.evaluation.metrics import Mean, Values, mean_with_interval

PROMOTION_METRIC = "full/ndcg_at_10"


@dataclass(frozen=True)
class Decision:
    """Whether the challenger takes the champion's place, and why."""

    promote: bool
    reason: str


def paired_difference(ours: Values, theirs: Values) -> Mean:
    """Mean over the same users of ours - theirs, with its 95 % interval."""
    return mean_with_interval(ours - theirs)


def decide(challenger: Values, popularity: Values, champion: Values | None) -> Decision:
    """Promote a challenger that beats the champion, and never one below popularity.

    Args:
        challenger: NDCG@10 of full ranking on the test holdout, one value a user.
        popularity: the same of the popularity baseline.
        champion: the same of the present champion, or None if there is none.
    """
    over_popularity = paired_difference(challenger, popularity)
    if over_popularity.value <= 0:
        return Decision(
            False,
            f"not better than popularity: NDCG@10 {challenger.mean():.4f} against {popularity.mean():.4f} "
            f"(difference {signed(over_popularity)})",
        )
    if champion is None:
        return Decision(
            True,
            f"there was none, and it beats popularity: NDCG@10 {challenger.mean():.4f} against {popularity.mean():.4f} "
            f"(difference {signed(over_popularity)})",
        )
    over_champion = paired_difference(challenger, champion)
    better = over_champion.value > 0
    return Decision(
        better,
        f"{'better' if better else 'not better'} than the champion: NDCG@10 {challenger.mean():.4f} against "
        f"{champion.mean():.4f} (difference {signed(over_champion)})",
    )


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
