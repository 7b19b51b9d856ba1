"""What follows from the figures: which thresholds are passed, and whether the log looks damaged."""

from collections.abc import Collection
from datetime import datetime
from typing import Literal, Self, TypeAlias

from pydantic import BaseModel

from ncf.monitoring.accuracy import Accuracy
from ncf.monitoring.activity import Activity
from ncf.monitoring.config import ThresholdConfig
from ncf.monitoring.findings import Findings

Kind: TypeAlias = Literal["drift", "fault"]


class Passed(BaseModel):
    """A threshold that is passed.

    Attributes:
        name: of the setting.
        kind: drift: a retraining may help; fault: the log should be looked at first.
        value: what was measured.
        threshold: what it was held against.
        words: for the reader.
    """

    name: str
    kind: Kind
    value: float
    threshold: float
    words: str


def judge(findings: Findings, thresholds: ThresholdConfig, now: datetime) -> list[Passed]:
    """The thresholds that are passed, faults first. Of too few new interactions nothing is said but faults.

    Args:
        findings: what was measured.
        thresholds: from where on it counts.
        now: with its zone; for how long the log has been silent.
    """
    passed = _faults(findings, thresholds, now)
    if findings.new < thresholds.min_interactions:
        return passed
    return [*passed, *_drift(findings, thresholds)]


def _faults(findings: Findings, thresholds: ThresholdConfig, now: datetime) -> list[Passed]:
    passed = [_fault("retyped", 1, 0, f"the ids have changed their type ({column})") for column in findings.retyped]
    lost, limit = findings.lost_share, thresholds.lost
    if limit is not None and lost > limit:
        words = f"the log has lost {findings.lost:,} of the {findings.known:,} interactions that the champion knows"
        passed.append(_fault("lost", lost, limit, f"{words} ({lost:.1%}, more than {limit:.1%})"))
    silence, hours = findings.silence(now), thresholds.silence_hours
    if silence is not None and hours is not None and silence.total_seconds() > hours * 3600:
        value = silence.total_seconds() / 3600
        words = f"nothing has come for {value:,.0f} hours, more than {hours:g}"
        passed.append(_fault("silence_hours", value, hours, words))
    return passed


def _drift(findings: Findings, thresholds: ThresholdConfig) -> list[Passed]:
    newcomers, new = findings.newcomers, f"{findings.new:,} new interactions"
    shift = 0.0 if findings.shift is None else findings.shift.psi
    return [
        *_above("growth", findings.growth, thresholds.growth, f"the log has grown: {new} on {findings.known:,}"),
        *_above("psi", shift, thresholds.psi, "users turn to other items than before: PSI", ".3f"),
        *_above("unknown_users", newcomers.user_share, thresholds.unknown_users, f"share of unknown users in {new}"),
        *_above("unknown_items", newcomers.item_share, thresholds.unknown_items, f"share of unknown items in {new}"),
        *(_activity(findings.activity, thresholds.activity_factor) if findings.activity else ()),
        *(_accuracy(findings.accuracy, thresholds) if findings.accuracy else ()),
    ]


def _above(name: str, value: float, limit: float | None, what: str, form: str = ".1%") -> list[Passed]:
    if limit is None or value <= limit:
        return []
    words = f"{what} ({value:{form}}, more than {limit:{form}})"
    return [Passed(name=name, kind="drift", value=value, threshold=limit, words=words)]


def _activity(activity: Activity, factor: float | None) -> list[Passed]:
    if factor is None or 1 / factor <= activity.ratio <= factor:
        return []
    words = f"{activity.per_day_after:,.1f} interactions a day, {activity.per_day_before:,.1f} before"
    limit, than = (factor, "more") if activity.ratio > factor else (1 / factor, "less")
    words = f"{words} ({activity.ratio:.2f} times as many, {than} than {limit:.2f})"
    return [Passed(name="activity_factor", kind="drift", value=activity.ratio, threshold=limit, words=words)]


def _accuracy(accuracy: Accuracy, thresholds: ThresholdConfig) -> list[Passed]:
    passed, ndcg, gain = [], accuracy.ndcg, accuracy.gain
    if thresholds.below_popularity and gain.high < 0:
        words = f"the champion foretells worse than popular items: NDCG@10 {ndcg.value:.4f} against "
        words += f"{accuracy.popularity_ndcg.value:.4f} (difference {gain.value:+.4f}, at most {gain.high:+.4f})"
        passed.append(Passed(name="below_popularity", kind="drift", value=gain.high, threshold=0, words=words))
    share, then = thresholds.accuracy_share, accuracy.at_training
    if share is not None and then and ndcg.high < share * then:
        words = f"the champion's NDCG@10 on what users did next is {ndcg.value:.4f}, at most {ndcg.high:.4f}: "
        words += f"less than {share:g} of the {then:.4f} of its test holdout"
        passed.append(Passed(name="accuracy_share", kind="drift", value=ndcg.high / then, threshold=share, words=words))
    return passed


def _fault(name: str, value: float, threshold: float, words: str) -> Passed:
    return Passed(name=name, kind="fault", value=value, threshold=threshold, words=words)


class Told(BaseModel):
    """What the last event said of a model's data.

    Attributes:
        new: interactions that the model had not seen.
        names: every threshold that was told as passed since the model serves.
    """

    new: int
    names: list[str]

    @classmethod
    def after(cls, before: "Told | None", new: int, names: Collection[str]) -> Self:
        """The memory with one more event."""
        return cls(new=new, names=sorted({*names, *(before.names if before else ())}))


def worth_telling(before: Told | None, new: int, names: Collection[str], again: float) -> bool:
    """Whether passed thresholds are news.

    Args:
        before: the last event; None if there was none.
        new: interactions that the model has not seen.
        names: the thresholds that are passed.
        again: how many times as many new interactions as then are news by themselves.
    """
    if not names:
        return False
    if before is None or not set(names) <= set(before.names):
        return True
    return new > before.new and new >= again * before.new
