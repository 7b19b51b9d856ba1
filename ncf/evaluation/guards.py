"""What a challenger must also satisfy, beside being good enough: guards; and the anchor, which bounds slow losses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from ncf.data import Indices
from ncf.errors import ConfigError
from ncf.evaluation.config import GuardConfig
from ncf.evaluation.metrics import Values

T = TypeVar("T")
WEEK = timedelta(days=7)
ANCHOR_LOW = "anchor_low"  # a decision's figure: lower end of the gain over the anchor


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
class Check:
    """A guard's figure, and the reason if it is not good enough."""

    name: str
    value: float
    failed: bool
    failure: str


def guard_checks(
    challenger: CandidateMetrics, champion: CandidateMetrics | None, guards: GuardConfig, interactions: Indices | None
) -> Iterator[Check]:
    """The guards that are on; those that compare need a champion."""
    if (most := guards.maximum_seconds) is not None:
        value = _measured(challenger.seconds, "maximum_seconds")
        yield Check("seconds", value, value > most, f"the top 10 of 1,000 users take {value:.2f} s, more than {most:g}")
    if (most := guards.maximum_size_mb) is not None:
        value = _measured(challenger.size_mb, "maximum_size_mb")
        yield Check("size_mb", value, value > most, f"its files have {value:.1f} MB, more than {most:g}")
    if champion is None:
        return
    if (least := guards.minimum_coverage) is not None:
        ours, theirs = (_measured(model.coverage, "minimum_coverage") for model in (challenger, champion))
        words = f"its lists cover {ours:.1%} of the catalogue, less than {least:g} of the champion's {theirs:.1%}"
        yield Check("coverage", ours, ours < least * theirs, words)
    if (most := guards.maximum_cold_loss) is not None:
        few = _measured(interactions, "maximum_cold_loss") <= guards.cold_interactions
        if few.any():  # else there is nobody to lose
            theirs, ours = (
                float(_measured(one.hit, "maximum_cold_loss")[few].mean()) for one in (champion, challenger)
            )
            words = (
                f"its HR@10 for the {few.sum():,} users with at most {guards.cold_interactions} interactions is lower "
            )
            yield Check(
                "cold_loss", theirs - ours, theirs - ours > most, f"{words}by {theirs - ours:.4f}, more than {most:g}"
            )


def _measured(value: T | None, guard: str) -> T:
    if value is None:
        raise ConfigError(f"the guard {guard} is on, but its metric was not measured", do="measure it, or turn it off")
    return value


@dataclass(frozen=True)
class Reign:
    """One champion in the order of their promotions.

    Attributes:
        version: the champion.
        since: when it became the champion; with a zone.
        is_standard: whether what was before it no longer counts: it was surely better than the anchor, or somebody
            chose it by hand.
    """

    version: int
    since: datetime
    is_standard: bool


def window_start(now: datetime, days: int) -> datetime:
    """The Monday before so many days ago: the anchor changes once a week, so few versions must keep their weights."""
    begin = (now - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
    return begin - timedelta(days=begin.weekday())


def anchor_of(reigns: Sequence[Reign], since: datetime) -> int | None:
    """The oldest champion that still served after this time, unless a later one is a standard; None without any.

    Args:
        reigns: the oldest first.
        since: the beginning of the window.
    """
    ends = [reign.since for reign in reigns[1:]]
    serving = list(reigns[sum(end <= since for end in ends) :])
    standards = [reign for reign in serving[1:] if reign.is_standard]
    return (standards or serving)[-1 if standards else 0].version if serving else None


def anchors_to_come(reigns: Sequence[Reign], now: datetime, days: int) -> set[int]:
    """The present champions that are the anchor now or may be later, as the window moves on."""
    mondays = [window_start(now, days) + number * WEEK for number in range(days // 7 + 3)]  # the last is yet to come
    return {version for monday in mondays if (version := anchor_of(reigns, monday)) is not None}
