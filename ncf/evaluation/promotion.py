"""Does the challenger take the champion's place? A pure decision, with its figures and its reason in words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias, TypeVar

import numpy as np

from ncf.data.columns import Indices
from ncf.errors import ConfigError
from ncf.evaluation.comparison import paired_difference, signed, widening_after
from ncf.evaluation.metrics import Mean, Values
from ncf.evaluation.promotion_config import GuardConfig, PromotionConfig

T = TypeVar("T")
Figures: TypeAlias = Mapping[str, float]

DRAWS_AT_ONCE = 2**22  # numbers of resampled users held at once, 32 MB


@dataclass(frozen=True)
class Judged:
    """What is known of one model, measured on the test holdout that both have in common.

    Attributes:
        ndcg: NDCG@10 of the full ranking, float64[U], one value a user.
        hit: HR@10 of the full ranking, float64[U]; needed for the guard of users with few interactions.
        coverage: share of the catalogue in the users' top 10; needed for its guard.
        seconds: for the top 10 of 1,000 users; needed for its guard.
        size_mb: MB of the model's files; needed for its guard.
    """

    ndcg: Values
    hit: Values | None = None
    coverage: float | None = None
    seconds: float | None = None
    size_mb: float | None = None


@dataclass(frozen=True)
class Decision:
    """Whether the challenger takes the champion's place.

    Attributes:
        promote: the decision.
        reason: in words for a reader who knows no statistics.
        figures: what it rests on: "challenger", "champion" and "popularity" (NDCG@10), "gain", "low" and "high" (its
            interval, if it is finite), "earlier" (challengers that made it wider), "users", and those of the guards.
    """

    promote: bool
    reason: str
    figures: Figures = field(default_factory=lambda: MappingProxyType({}))


def decide(
    challenger: Judged,
    popularity: Values,
    champion: Judged | None,
    config: PromotionConfig = PromotionConfig(),  # noqa: B008 (frozen)
    *,
    interactions: Indices | None = None,
    earlier: float = 0.0,
    seed: int = 0,
) -> Decision:
    """Promote a challenger that is surely better than the champion, and never one below popularity.

    Args:
        challenger: the new model.
        popularity: NDCG@10 of the popularity baseline, float64[U], the same users in the same order.
        champion: the present champion as it would serve these users, or None if there is none.
        config: how sure is sure, and the guards.
        interactions: int64[U], train interactions of each user; needed for the guard of users with few.
        earlier: challengers that this holdout has judged before, each as far as its holdout was the same; they make the
            interval wider, if `config.count_challengers`.
        seed: of the resampling; the same seed gives the same decision.

    Raises:
        ConfigError: a guard is on and what it needs was not measured.
    """
    over_popularity = paired_difference(challenger.ndcg, popularity)
    figures = {"challenger": _mean(challenger.ndcg), "popularity": _mean(popularity), "users": float(len(popularity))}
    beside = f"NDCG@10 {figures['challenger']:.4f} against {figures['popularity']:.4f}"
    if over_popularity.value <= 0:
        words = f"not better than popularity: {beside} (difference {signed(over_popularity)})"
        return Decision(False, f"kept back: {words}", figures)
    if champion is None:
        doubt, praise = "", f"there was none, and it beats popularity: {beside}"
        praise += f" (difference {signed(over_popularity)})"
    else:
        counted = earlier if config.count_challengers else 0.0
        gain = gain_over(challenger.ndcg, champion.ndcg, config, seed, counted)
        figures |= {"champion": _mean(champion.ndcg), "gain": gain.value, "earlier": counted}
        if np.isfinite(gain.low):  # JSON knows no infinity
            figures |= {"low": gain.low, "high": gain.high}
        words = _interval(gain, config, counted)
        doubt, praise = _doubt(gain, config, words), _praise(gain, figures, words)
    checks = _checks(challenger, champion, config.guards, interactions)
    figures |= {check.name: check.value for check in checks}
    failures = [check.failure for check in checks if check.failure]
    if doubt or failures:
        return Decision(False, f"kept back: {doubt or f'{praise}; but {failures[0]}'}", figures)
    return Decision(True, praise, figures)


def gain_over(ours: Values, theirs: Values, config: PromotionConfig, seed: int = 0, earlier: float = 0.0) -> Mean:
    """Mean over the same users of ours - theirs, with an interval for the users and seeds that it might have been.

    Percentile bootstrap of the users (Efron 1979); its distances from the mean are then multiplied by
    `config.seed_widening`, and by `widening_after` the earlier challengers. A single user gives an infinite interval.

    Args:
        ours: float64[U], one value a user.
        theirs: float64[U], the same users in the same order.
        config: confidence, resamples and widening.
        seed: of the resampling.
        earlier: challengers that the same holdout has judged before.
    """
    differences = ours - theirs
    mean = _mean(differences)
    if len(differences) < 2:
        return Mean(mean, -np.inf, np.inf)
    tail = (1 - config.confidence) / 2
    means = np.concatenate(list(_resampled_means(differences, config.resamples, seed)))
    low, high = np.quantile(means, [tail, 1 - tail]).tolist()
    wider = config.seed_widening * widening_after(earlier, config.confidence)
    return Mean(mean, mean - wider * (mean - low), mean + wider * (high - mean))


def _resampled_means(differences: Values, resamples: int, seed: int) -> Iterator[Values]:
    """Means of resampled users, in blocks.

    How often each *value* is drawn is multinomial, which is the bootstrap exactly; of NDCG@10's differences there are
    at most 121, so that a million users cost no more than a thousand.
    """
    rng = np.random.default_rng(seed)
    values, counts = np.unique(differences, return_counts=True)
    block = max(1, DRAWS_AT_ONCE // len(values))
    for start in range(0, resamples, block):
        drawn = rng.multinomial(len(differences), counts / counts.sum(), size=min(block, resamples - start))
        yield drawn @ values / len(differences)


def _praise(gain: Mean, figures: Figures, interval: str) -> str:
    return (
        f"better than the champion by {gain.value:.4f}: NDCG@10 {figures['challenger']:.4f} against "
        f"{figures['champion']:.4f}, {interval}"
    )


def _doubt(gain: Mean, config: PromotionConfig, interval: str) -> str:
    """Why the gain does not suffice, or nothing."""
    if gain.value < 0:
        return f"worse than the champion by {-gain.value:.4f}: {interval}"
    if gain.value == 0:
        return f"no better than the champion: difference {gain.value:+.4f}, {interval}"
    if gain.low <= 0:
        return f"better than the champion by {gain.value:.4f}, but that may be chance: {interval}"
    if gain.low <= config.minimum_gain:
        return (
            f"better than the champion by {gain.value:.4f}, but not surely by more than the minimum gain "
            f"{config.minimum_gain:.4f}: {interval}"
        )
    return ""


@dataclass(frozen=True)
class _Check:
    """A guard's figure, and in words why it is not good enough, if it is not."""

    name: str
    value: float
    failure: str


def _checks(
    challenger: Judged, champion: Judged | None, guards: GuardConfig, interactions: Indices | None
) -> list[_Check]:
    """The guards that are on; those that compare need a champion."""
    checks = []
    if guards.maximum_seconds is not None:
        value = _measured(challenger.seconds, "maximum_seconds")
        words = f"the top 10 of 1,000 users take {value:.2f} s, more than {guards.maximum_seconds:g}"
        checks.append(_Check("seconds", value, words if value > guards.maximum_seconds else ""))
    if guards.maximum_size_mb is not None:
        value = _measured(challenger.size_mb, "maximum_size_mb")
        words = f"its files have {value:.1f} MB, more than {guards.maximum_size_mb:g}"
        checks.append(_Check("size_mb", value, words if value > guards.maximum_size_mb else ""))
    if champion is not None and guards.minimum_coverage is not None:
        ours, theirs = (_measured(model.coverage, "minimum_coverage") for model in (challenger, champion))
        words = (
            f"its lists show {ours:.1%} of the catalogue, less than {guards.minimum_coverage:g} of the {theirs:.1%} "
        )
        words += "that the champion's show"
        checks.append(_Check("coverage", ours, words if ours < guards.minimum_coverage * theirs else ""))
    if champion is not None and guards.maximum_cold_loss is not None:
        few = _measured(interactions, "maximum_cold_loss") <= guards.cold_interactions
        if few.any():  # else nobody can lose anything
            hits = [_measured(model.hit, "maximum_cold_loss")[few].mean() for model in (champion, challenger)]
            loss = float(hits[0] - hits[1])
            words = (
                f"its HR@10 of the {few.sum():,} users with {guards.cold_interactions} interactions or fewer is lower "
            )
            words += f"by {loss:.4f}, more than {guards.maximum_cold_loss:g}"
            checks.append(_Check("cold_loss", loss, words if loss > guards.maximum_cold_loss else ""))
    return checks


def _measured(value: T | None, guard: str) -> T:
    if value is None:
        raise ConfigError(
            f"the guard {guard} is on, but what it looks at was not measured", do="measure it, or switch it off"
        )
    return value


def _mean(values: Values) -> float:
    return float(values.mean())


def _interval(difference: Mean, config: PromotionConfig, earlier: float) -> str:
    words = f"{100 * config.confidence:g} % interval {difference.low:+.4f} to {difference.high:+.4f}"
    number = round(earlier)
    if number == 0:
        return words
    return f"{words}, wider for {number} earlier challenger{'s' * (number > 1)} on this test holdout"
