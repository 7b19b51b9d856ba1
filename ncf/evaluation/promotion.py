"""Does the challenger become the champion? Settings, and a pure decision with its figures and reason."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias, TypeVar

import numpy as np
from pydantic import Field

from ncf.config import Settings
from ncf.data.columns import Indices
from ncf.errors import ConfigError
from ncf.evaluation.comparison import paired_difference, signed, widening_after
from ncf.evaluation.metrics import Mean, Values

T = TypeVar("T")
Figures: TypeAlias = Mapping[str, float]

DRAWS_AT_ONCE = 2**22  # numbers of resampled users held at once, 32 MB


class GuardConfig(Settings):
    """Additional conditions for a challenger that is better; each is off while it is empty."""

    minimum_coverage: float | None = Field(
        default=None,
        ge=0.0,
        description="minimum of the challenger's coverage@10 of the catalogue divided by the champion's; 0.9 allows a "
        "loss of a tenth. Empty: off, since many shops do not mind",
    )
    maximum_cold_loss: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="maximum loss of HR@10 for users with few train interactions, as a difference of shares. Empty: "
        "off, since most logs have few such users, and their mean is noisy",
    )
    cold_interactions: int = Field(
        default=10, ge=1, description="users with at most this many train interactions count as users with few"
    )
    maximum_seconds: float | None = Field(
        default=None,
        gt=0.0,
        description="maximum seconds for the top 10 of 1,000 users on the CPU. Empty: off, since it depends on the "
        "machine that decides",
    )
    maximum_size_mb: float | None = Field(
        default=None, gt=0.0, description="maximum size of the challenger's files in MB. Empty: off"
    )


class PromotionConfig(Settings):
    """When a challenger becomes the champion."""

    confidence: float = Field(
        default=0.95,
        gt=0.5,
        lt=1.0,
        description="confidence of the two-sided interval of the gain; the challenger is promoted only if the lower "
        "end is above minimum_gain",
    )
    minimum_gain: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description="NDCG@10 that the lower end must exceed; 0: any gain that is not chance is worth a change",
    )
    resamples: int = Field(
        default=10_000,
        ge=200,
        le=1_000_000,
        description="bootstrap resamples of the users; with 10,000 the ends of the interval vary by 1 % of its width",
    )
    seed_widening: float = Field(
        default=1.5,
        ge=1.0,
        le=100.0,
        description="factor by which the interval is wider than sampling of users alone makes it, since another seed "
        "gives another model; the default is the largest factor measured (docs/decisions/promotion.md); 1 considers "
        "only the users",
    )
    count_challengers: bool = Field(
        default=True,
        description="widen the interval for each earlier challenger on the same test holdout: of many nightly "
        "challengers some are lucky, and one lucky night is enough",
    )
    guards: GuardConfig = GuardConfig()


@dataclass(frozen=True)
class CandidateMetrics:
    """What is known of the challenger or the champion, measured on the same test holdout.

    Attributes:
        ndcg: NDCG@10 of the full ranking, float64[U], one value per user.
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
    """Whether the challenger becomes the champion.

    Attributes:
        promote: the decision.
        reason: for a reader who knows no statistics.
        figures: what it is based on: "challenger", "champion" and "popularity" (NDCG@10), "gain", "low" and "high" (its
            interval, if it is finite), "earlier" (challengers that widened it), "users", and those of the guards.
    """

    promote: bool
    reason: str
    figures: Figures = field(default_factory=lambda: MappingProxyType({}))


def decide(
    challenger: CandidateMetrics,
    popularity: Values,
    champion: CandidateMetrics | None,
    config: PromotionConfig = PromotionConfig(),  # noqa: B008 (frozen)
    *,
    interactions: Indices | None = None,
    earlier: float = 0.0,
    seed: int = 0,
) -> Decision:
    """Promote a challenger that is surely better than the champion, and never one that is not better than popularity.

    Args:
        challenger: the new model.
        popularity: NDCG@10 of the popularity baseline, float64[U], the same users in the same order.
        champion: the present champion as it would serve these users, or None if there is none.
        config: how sure is sure, and the guards.
        interactions: int64[U], train interactions of each user; needed for the guard of users with few.
        earlier: number of earlier challengers on this holdout, each weighted by how much of it was the same; they widen
            the interval, if `config.count_challengers`.
        seed: of the resampling; the same seed gives the same decision.

    Raises:
        ConfigError: a guard is on, and its metric was not measured.
    """
    over_popularity = paired_difference(challenger.ndcg, popularity)
    figures = {"challenger": _mean(challenger.ndcg), "popularity": _mean(popularity), "users": float(len(popularity))}
    beside = f"NDCG@10 {figures['challenger']:.4f} against {figures['popularity']:.4f}"
    beside += f" (difference {signed(over_popularity)})"
    if over_popularity.value <= 0:
        return Decision(False, f"kept back: not better than popularity: {beside}", figures)
    if champion is None:
        doubt, praise = "", f"there was none, and it beats popularity: {beside}"
    else:
        counted = earlier if config.count_challengers else 0.0
        gain = gain_over(challenger.ndcg, champion.ndcg, config, seed, counted)
        figures |= {"champion": _mean(champion.ndcg), "gain": gain.value, "earlier": counted}
        if np.isfinite(gain.low):  # JSON has no infinity
            figures |= {"low": gain.low, "high": gain.high}
        doubt, praise = _explain(gain, figures, config)
    checks = list(_guard_checks(challenger, champion, config.guards, interactions))
    figures |= {check.name: check.value for check in checks}
    failures = [check.failure for check in checks if check.failed]
    if doubt or failures:
        return Decision(False, f"kept back: {doubt or f'{praise}; but {failures[0]}'}", figures)
    return Decision(True, praise, figures)


def gain_over(ours: Values, theirs: Values, config: PromotionConfig, seed: int = 0, earlier: float = 0.0) -> Mean:
    """Mean over the same users of ours - theirs, with an interval for the users and seeds that it might have been.

    Percentile bootstrap of the users (Efron 1979); the distances of its ends from the mean are then multiplied by
    `config.seed_widening`, and by `widening_after` the earlier challengers. A single user gives an infinite interval.

    Args:
        ours: float64[U], one value per user.
        theirs: float64[U], the same users in the same order.
        config: confidence, resamples and widening.
        seed: of the resampling.
        earlier: number of earlier challengers on the same holdout.
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

    How often each *value* is drawn is multinomial, which is exactly the bootstrap. Differences of NDCG@10 have at most
    121 values, so a million users cost no more than a thousand.
    """
    rng = np.random.default_rng(seed)
    values, counts = np.unique(differences, return_counts=True)
    block = max(1, DRAWS_AT_ONCE // len(values))
    for start in range(0, resamples, block):
        drawn = rng.multinomial(len(differences), counts / counts.sum(), size=min(block, resamples - start))
        yield drawn @ values / len(differences)


def _explain(gain: Mean, figures: Figures, config: PromotionConfig) -> tuple[str, str]:
    """Why the gain does not suffice, or an empty text; and the gain in words."""
    interval = f"{100 * config.confidence:g} % interval {gain.low:+.4f} to {gain.high:+.4f}"
    if number := round(figures["earlier"]):
        interval += f", wider for {number} earlier challenger{'s' * (number > 1)} on this test holdout"
    better = f"better than the champion by {gain.value:.4f}"
    praise = f"{better}: NDCG@10 {figures['challenger']:.4f} against {figures['champion']:.4f}, {interval}"
    doubt = ""
    if gain.value < 0:
        doubt = f"worse than the champion by {-gain.value:.4f}: {interval}"
    elif gain.value == 0:
        doubt = f"no better than the champion: difference {gain.value:+.4f}, {interval}"
    elif gain.low <= 0:
        doubt = f"{better}, but that may be chance: {interval}"
    elif gain.low <= config.minimum_gain:
        doubt = f"{better}, but not surely by more than the minimum gain {config.minimum_gain:.4f}: {interval}"
    return doubt, praise


@dataclass(frozen=True)
class _Check:
    """A guard's figure, and the reason if it is not good enough."""

    name: str
    value: float
    failed: bool
    failure: str


def _guard_checks(
    challenger: CandidateMetrics, champion: CandidateMetrics | None, guards: GuardConfig, interactions: Indices | None
) -> Iterator[_Check]:
    """The guards that are on; those that compare need a champion."""
    if (most := guards.maximum_seconds) is not None:
        value = _measured(challenger.seconds, "maximum_seconds")
        yield _Check(
            "seconds", value, value > most, f"the top 10 of 1,000 users take {value:.2f} s, more than {most:g}"
        )
    if (most := guards.maximum_size_mb) is not None:
        value = _measured(challenger.size_mb, "maximum_size_mb")
        yield _Check("size_mb", value, value > most, f"its files have {value:.1f} MB, more than {most:g}")
    if champion is None:
        return
    if (least := guards.minimum_coverage) is not None:
        ours, theirs = (_measured(model.coverage, "minimum_coverage") for model in (challenger, champion))
        words = f"its lists cover {ours:.1%} of the catalogue, less than {least:g} of the champion's {theirs:.1%}"
        yield _Check("coverage", ours, ours < least * theirs, words)
    if (most := guards.maximum_cold_loss) is not None:
        few = _measured(interactions, "maximum_cold_loss") <= guards.cold_interactions
        if few.any():  # else there is nobody to lose
            theirs, ours = (_mean(_measured(one.hit, "maximum_cold_loss")[few]) for one in (champion, challenger))
            words = (
                f"its HR@10 for the {few.sum():,} users with at most {guards.cold_interactions} interactions is lower "
            )
            yield _Check(
                "cold_loss", theirs - ours, theirs - ours > most, f"{words}by {theirs - ours:.4f}, more than {most:g}"
            )


def _measured(value: T | None, guard: str) -> T:
    if value is None:
        raise ConfigError(f"the guard {guard} is on, but its metric was not measured", do="measure it, or turn it off")
    return value


def _mean(values: Values) -> float:
    return float(values.mean())
