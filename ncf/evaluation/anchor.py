"""The anchor: the best champion of the last month, from which challengers on newer data must not slide away."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

WEEK = timedelta(days=7)
ANCHOR_LOW = "anchor_low"  # a decision's figure: lower end of the gain over the anchor


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
