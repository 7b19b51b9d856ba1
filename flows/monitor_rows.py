"""The figures of a look at the data as the rows of a table."""

from ncf.monitoring.accuracy import Accuracy, Figure
from ncf.monitoring.config import ThresholdConfig
from ncf.monitoring.findings import Findings

HEADER = ("what", "before", "since", "threshold")
NONE = "-"


def rows_of(findings: Findings, thresholds: ThresholdConfig) -> list[list[str]]:
    """One row a figure: what, the champion's data, what is new, and the threshold."""
    newcomers, known = findings.newcomers, f"{findings.known:,}"
    late = f", {findings.late:,} late" if findings.late else ""
    rows = [
        ["interactions", known, f"{findings.new:,} new{late}", _limit(thresholds.growth, "+{:.0%}")],
        ["no longer in the log", NONE, f"{findings.lost:,}", _limit(thresholds.lost, "{:.1%}")],
        ["newest interaction", *_times(findings), _limit(thresholds.silence_hours, "{:g} hours ago")],
        ["unknown users", NONE, f"{newcomers.users:,}", NONE],
        _share("unknown users", newcomers.user_share, thresholds.unknown_users),
        ["unknown items", NONE, f"{newcomers.items:,}", NONE],
        _share("unknown items", newcomers.item_share, thresholds.unknown_items),
    ]
    if findings.shift:
        by_chance = f"{findings.shift.by_chance:.3f} by chance"
        rows.append(["popularity shift (PSI)", by_chance, f"{findings.shift.psi:.3f}", _limit(thresholds.psi, "{:g}")])
    if findings.activity:
        one, factor = findings.activity, _limit(thresholds.activity_factor, "x {0:g} or / {0:g}")
        rows.append(["interactions a day", f"{one.per_day_before:,.1f}", f"{one.per_day_after:,.1f}", factor])
        rows.append(["by an active user", f"{one.per_user_before:.1f}", f"{one.per_user_after:.1f}", NONE])
    return [*rows, *(_accuracy(findings.accuracy, thresholds) if findings.accuracy else ())]


def _accuracy(accuracy: Accuracy, thresholds: ThresholdConfig) -> list[list[str]]:
    then = NONE if accuracy.at_training is None else f"test {accuracy.at_training:.4f}"
    below = "0" if thresholds.below_popularity else NONE
    return [
        ["users whose next item is known", NONE, f"{accuracy.users:,}", NONE],
        ["HR@10 of the next item", NONE, _figure(accuracy.hr), NONE],
        ["NDCG@10 of the next item", then, _figure(accuracy.ndcg), _limit(thresholds.accuracy_share, "x {:g}")],
        ["HR@10 of popular items", NONE, _figure(accuracy.popularity_hr), NONE],
        ["NDCG@10 of popular items", NONE, _figure(accuracy.popularity_ndcg), NONE],
        ["NDCG@10 above popular items", NONE, f"{accuracy.gain.value:+.4f} ±{accuracy.gain.half_width:.4f}", below],
    ]


def _share(of: str, share: float, limit: float | None) -> list[str]:
    return [f"share of {of}", NONE, f"{share:.1%}", _limit(limit, "{:.0%}")]


def _figure(figure: Figure) -> str:
    return f"{figure.value:.4f} ±{figure.half_width:.4f}"


def _times(findings: Findings) -> tuple[str, str]:
    before, since = (
        NONE if time is None else f"{time:%Y-%m-%d %H:%M}" for time in (findings.last_time, findings.newest_time)
    )
    return before, since


def _limit(value: float | None, form: str) -> str:
    return NONE if value is None else form.format(value)
