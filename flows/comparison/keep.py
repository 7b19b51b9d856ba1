"""Puts a comparison into the retraining's MLflow run: one interactive page, and pictures."""

from collections.abc import Mapping, Sequence
from html import escape

from flows.comparison.page import sections
from flows.comparison.pictures import draw_bars, draw_groups, draw_hits
from flows.comparison.values import compared
from flows.curves import CURVES, compared_curves, describe
from flows.page import html_page, html_table
from flows.pictures import draw_comparison
from flows.report import Report
from flows.tracking import ModelRun, Tracker
from ncf.data.prepared import PreparedData
from ncf.evaluation.ranking import Ranks

PAGE = "comparison.html"
BARS, HITS, GROUPS = "comparison_metrics.png", "comparison_hr_at_k.png", "comparison_groups.png"


def keep_comparison(
    tracker: Tracker,
    report: Report,
    models: Sequence[ModelRun],
    baselines: Sequence[ModelRun],
    data: PreparedData,
    key: str,
    serving: Mapping[str, Ranks],
) -> None:
    """Draw all that a person needs to see which model is better, for whom, and why.

    Args:
        tracker: where the models are kept.
        report: of the retraining.
        models: those with epochs.
        baselines: those without; the first is what the groups' differences are taken from.
        data: the prepared data set.
        key: the metric that chose the best epochs.
        serving: the champion that the best was set against, ranked on the same holdout.
    """
    values = compared(tracker, [*baselines, *models], data, serving)
    curves, levels = compared_curves(tracker, models, baselines, key)
    title = f"{tracker.dataset}: validation by epoch, ★ is each model's best"
    pictures = {
        CURVES: draw_comparison(title, describe(key), curves, levels, values.names),
        BARS: draw_bars(values),
        HITS: draw_hits(values),
        GROUPS: draw_groups(values),
    }
    for name, picture in pictures.items():
        tracker.artifacts.log_picture(report.run_id, picture, name)
    intro = f"<p>{escape(report.verdict())}</p>{html_table(report.header, [row.cells() for row in report.rows])}"
    figures = sections(values, describe(key), curves, levels)
    tracker.artifacts.log_text(report.run_id, html_page(f"Retraining of {tracker.dataset}", intro, figures), PAGE)
