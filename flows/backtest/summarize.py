"""What the windows of a backtest say together, and how it is kept."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import pandas as pd

from flows.backtest.charts import Curves, curves_of
from flows.backtest.charts_page import sections
from flows.backtest.charts_png import draw_windows
from flows.backtest.moments import Trained, day_of
from flows.backtest.report import BacktestReport, Difference, Figure, PolicyRow
from flows.backtest.settings import BacktestSettings
from flows.charts.page import html_page, html_table
from flows.tracking.tracking import Tracker
from ncf.backtest.plan import Plan, Window
from ncf.backtest.replay import Replay
from ncf.backtest.scoring import HR, KNOWN, NDCG, POPULARITY, difference_of, mean_of
from ncf.errors import DataError

REPORT, PAGE, PICTURE = "report.json", "backtest.html", "backtest.png"
MEAN = "backtest_mean"

Judged = Sequence[tuple[Window, pd.DataFrame]]


def conclude(
    run_id: str,
    settings: BacktestSettings,
    replay: Replay,
    plan: Plan,
    judged: Judged,
    trained: Mapping[int, Trained],
) -> BacktestReport:
    """Means over the windows in which anything came, and the differences between the policies.

    Raises:
        DataError: nothing came in any of them.
    """
    frames = [frame for _, frame in judged if len(frame)]
    if not frames:
        raise DataError("nobody met anything new in any window", do="start earlier, or use a longer log")
    rows = _rows(plan, frames, trained)
    return BacktestReport(
        dataset=settings.dataset,
        model=settings.model,
        run_id=run_id,
        fingerprint=replay.fingerprint,
        span=f"{day_of(plan.windows[0].begin)} to {day_of(plan.windows[-1].end)}",
        window_days=settings.window_days,
        windows=len(frames),
        empty=len(judged) - len(frames),
        users=sum(len(frame) for frame in frames),
        rows=rows,
        differences=_differences(frames, rows),
    )


def keep(tracker: Tracker, report: BacktestReport, curves: Curves) -> None:
    """Put the report, the picture and the page into the MLflow run."""
    run_id = report.run_id
    for row in report.rows:
        figures = {f"full/{HR}": row.hr.value, f"full/{NDCG}": row.ndcg.value, "seconds": row.seconds}
        figures |= {"trainings": float(row.trainings)} | ({} if row.known is None else {"known_users": row.known})
        tracker.log_metrics(run_id, {f"{MEAN}/{row.name}/{key}": value for key, value in figures.items()})
    tracker.artifacts.log_picture(run_id, draw_windows(curves), PICTURE)
    intro = f"<p>{report.verdict()}</p><p>{report.about()}</p>"
    intro += "<br>".join(html_table(list(header), rows) for header, rows in report.tables())
    tracker.artifacts.log_text(run_id, html_page(f"Backtest of {report.dataset}", intro, sections(curves)), PAGE)
    tracker.artifacts.log_json(run_id, report.model_dump(mode="json"), REPORT)
    tracker.set_notes(run_id, report.markdown())


def curves(settings: BacktestSettings, plan: Plan, judged: Judged) -> Curves:
    """What the pictures show."""
    title = f"{settings.dataset}, {settings.model}: what a schedule buys"
    return curves_of(title, plan, [(window, frame) for window, frame in judged if len(frame)])


def _rows(plan: Plan, frames: Sequence[pd.DataFrame], trained: Mapping[int, Trained]) -> list[PolicyRow]:
    def row(name: str, moments: Sequence[int], known: float | None) -> PolicyRow:
        return PolicyRow(
            name=name,
            hr=Figure.of(mean_of(frames, name, HR)),
            ndcg=Figure.of(mean_of(frames, name, NDCG)),
            known=known,
            trainings=len(moments),
            seconds=sum(trained[moment].seconds for moment in moments),
        )

    policies = [
        row(policy.name, plan.moments(policy), mean_of(frames, policy.name, KNOWN).value) for policy in plan.policies
    ]
    return [row(POPULARITY, [], None), *policies]


def _differences(frames: Sequence[pd.DataFrame], rows: Sequence[PolicyRow]) -> list[Difference]:
    """Each policy instead of each rarer one, then each instead of popularity."""
    popularity, *policies = rows
    pairs = [*combinations(policies, 2), *((policy, popularity) for policy in policies)]
    return [
        Difference(
            ours=ours.name,
            theirs=theirs.name,
            hr=Figure.of(difference_of(frames, ours.name, theirs.name, HR)),
            ndcg=Figure.of(difference_of(frames, ours.name, theirs.name, NDCG)),
            trainings=ours.trainings - theirs.trainings,
            seconds=ours.seconds - theirs.seconds,
        )
        for ours, theirs in pairs
    ]
