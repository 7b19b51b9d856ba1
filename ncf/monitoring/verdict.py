"""What follows from the figures: which thresholds are exceeded, whether the log looks damaged, what is news."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Literal, Self, TypeAlias

from pydantic import BaseModel

from ncf.monitoring.accuracy import Accuracy
from ncf.monitoring.config import ThresholdConfig
from ncf.monitoring.findings import Activity, Findings

Kind: TypeAlias = Literal["drift", "fault"]


class ExceededThreshold(BaseModel):
    """A threshold that is exceeded.

    Attributes:
        name: of the setting.
        kind: "drift": a retraining may help; "fault": look at the log first.
        value: what was measured.
        threshold: what it was compared with.
        words: for the reader.
    """

    name: str
    kind: Kind
    value: float
    threshold: float
    words: str


def exceeded_thresholds(findings: Findings, thresholds: ThresholdConfig, now: datetime) -> list[ExceededThreshold]:
    """The thresholds that are exceeded, faults first. With too few new interactions, only faults."""
    faults = list(_faults(findings, thresholds, now))
    return faults if findings.new < thresholds.min_interactions else [*faults, *_drifts(findings, thresholds)]


def _faults(findings: Findings, thresholds: ThresholdConfig, now: datetime) -> Iterator[ExceededThreshold]:
    for column in findings.retyped:
        yield _fault("retyped", 1, 0, f"the ids have changed their type ({column})")
    lost, limit = findings.lost_share, thresholds.lost
    if limit is not None and lost > limit:
        words = f"the log has lost {findings.lost:,} of the {findings.known:,} interactions that the champion knows"
        yield _fault("lost", lost, limit, f"{words} ({lost:.1%}, more than {limit:.1%})")
    silence, most = findings.silence(now), thresholds.silence_hours
    if silence is not None and most is not None and (hours := silence.total_seconds() / 3600) > most:
        yield _fault(
            "silence_hours", hours, most, f"no interaction has arrived for {hours:,.0f} hours, more than {most:g}"
        )


def _drifts(findings: Findings, thresholds: ThresholdConfig) -> Iterator[ExceededThreshold]:
    newcomers, new = findings.newcomers, f"{findings.new:,} new interactions"
    shift = 0.0 if findings.shift is None else findings.shift.psi
    for name, value, limit, what, form in (
        ("growth", findings.growth, thresholds.growth, f"the log has grown: {new} on {findings.known:,}", ".1%"),
        ("psi", shift, thresholds.psi, "users turn to other items than before: PSI", ".3f"),
        ("unknown_users", newcomers.user_share, thresholds.unknown_users, f"share of unknown users in {new}", ".1%"),
        ("unknown_items", newcomers.item_share, thresholds.unknown_items, f"share of unknown items in {new}", ".1%"),
    ):
        if limit is not None and value > limit:
            yield _drift(name, value, limit, f"{what} ({value:{form}}, more than {limit:{form}})")
    if findings.activity and thresholds.activity_factor is not None:
        yield from _activity(findings.activity, thresholds.activity_factor)
    if findings.accuracy:
        yield from _accuracy(findings.accuracy, thresholds)


def _activity(activity: Activity, factor: float) -> Iterator[ExceededThreshold]:
    ratio = activity.ratio
    if 1 / factor <= ratio <= factor:
        return
    limit, than = (factor, "more") if ratio > factor else (1 / factor, "less")
    words = f"{activity.per_day_after:,.1f} interactions a day, {activity.per_day_before:,.1f} before"
    yield _drift("activity_factor", ratio, limit, f"{words} ({ratio:.2f} times as many, {than} than {limit:.2f})")


def _accuracy(accuracy: Accuracy, thresholds: ThresholdConfig) -> Iterator[ExceededThreshold]:
    ndcg, gain = accuracy.ndcg, accuracy.gain
    if thresholds.below_popularity and gain.high < 0:
        words = f"the champion predicts worse than popular items: NDCG@10 {ndcg.value:.4f} against "
        words += f"{accuracy.popularity_ndcg.value:.4f} (difference {gain.value:+.4f}, at most {gain.high:+.4f})"
        yield _drift("below_popularity", gain.high, 0, words)
    share, then = thresholds.accuracy_share, accuracy.at_training
    if share is not None and then and ndcg.high < share * then:
        words = f"the champion's NDCG@10 on what users did next is {ndcg.value:.4f}, at most {ndcg.high:.4f}: "
        words += f"less than {share:g} of the {then:.4f} on its test holdout"
        yield _drift("accuracy_share", ndcg.high / then, share, words)


def _fault(name: str, value: float, threshold: float, words: str) -> ExceededThreshold:
    return ExceededThreshold(name=name, kind="fault", value=value, threshold=threshold, words=words)


def _drift(name: str, value: float, threshold: float, words: str) -> ExceededThreshold:
    return ExceededThreshold(name=name, kind="drift", value=value, threshold=threshold, words=words)


class LastEvent(BaseModel):
    """What the last event reported about a model's data.

    Attributes:
        new: interactions that the model had not seen.
        names: every threshold that was reported as exceeded since the model serves.
    """

    new: int
    names: list[str]

    @classmethod
    def after(cls, before: "LastEvent | None", new: int, names: Collection[str]) -> Self:
        """The memory with one more event."""
        return cls(new=new, names=sorted({*names, *(before.names if before else ())}))


def is_news(before: LastEvent | None, new: int, names: Collection[str], again: float) -> bool:
    """Whether exceeded thresholds are not reported yet, or the new interactions have grown by the factor `again`."""
    if not names:
        return False
    if before is None or not set(names) <= set(before.names):
        return True
    return new > before.new and new >= again * before.new
