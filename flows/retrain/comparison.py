"""Learning curves, and all models of a retraining compared: charts as PNG files and one page, in MLflow's artifacts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from types import MappingProxyType

import pandas as pd

from flows.charts.chart import COLORS, Chart, Level, Panel, Series, bar_panel, finite, model_color
from flows.charts.page import html_page
from flows.charts.png import png
from flows.retrain.measure import read_ranks
from flows.retrain.report import Report
from flows.tracking import BEST_EPOCH, BEST_VALIDATION, COLUMNS, PROTOCOLS
from flows.tracking.tracker import ModelRun, Tracker
from ncf.config import TrainingConfig
from ncf.data.prepared import PreparedData
from ncf.evaluation.comparison import PROMOTION_METRIC
from ncf.evaluation.evaluate import ITEM_POPULARITY, USER_ACTIVITY, difference_table
from ncf.evaluation.metrics import hit
from ncf.evaluation.ranking import Ranks
from ncf.training.module import TRAIN_LOSS, monitored

CURVES = "learning_curves.png"
BY_EPOCH = "validation"
METRICS = {"hr_at_10": "HR@10", "ndcg_at_10": "NDCG@10"}
PAGE = "comparison.html"
BARS, HITS, GROUPS = "comparison_metrics.png", "comparison_hr_at_k.png", "comparison_groups.png"
MAX_K = 20
GROUPED_BY = {
    USER_ACTIVITY: "users by their interactions in train",
    ITEM_POPULARITY: "users by how often their held-out item is in train",
}


@dataclass(frozen=True)
class Comparison:
    """Models and baselines on the test holdout.

    Attributes:
        dataset: its name.
        names: of the models in the table's order, then of the champion; the first is the reference of the differences.
        metrics: mean and half the 95 % interval, by metric's title and model.
        hit_rates: HR@1 to HR@20, by protocol and model.
        differences: NDCG@10 (full ranking) less the reference's by group: see ncf.evaluation.evaluate.difference_table.
    """

    dataset: str
    names: Sequence[str]
    metrics: Mapping[str, dict[str, tuple[float, float]]]
    hit_rates: Mapping[str, Mapping[str, Sequence[float]]]
    differences: pd.DataFrame

    @property
    def reference(self) -> str:
        """The model that the differences are taken from."""
        return self.names[0]


def log_comparison(
    tracker: Tracker,
    report: Report,
    models: Sequence[ModelRun],
    baselines: Sequence[ModelRun],
    data: PreparedData,
    key: str,
    champion: Mapping[str, Ranks],
) -> None:
    """Draw which model is better, for which users, and after how many epochs.

    Args:
        tracker: of the data set.
        report: of the retraining.
        models: those with epochs.
        baselines: those without; the first is the reference of the groups' differences.
        data: the prepared data set.
        key: the metric that chose the best epochs.
        champion: ranks of the champion that the best model was compared with, on the same holdout, by its name.
    """
    comparison = read_comparison(tracker, [*baselines, *models], data, champion)
    metrics, hits, groups = metric_chart(comparison), hit_rate_chart(comparison), group_chart(comparison)
    curves = validation_chart(tracker, models, baselines, key, comparison.names)
    for name, chart in {CURVES: curves, BARS: metrics, HITS: hits, GROUPS: groups}.items():
        tracker.files.log_bytes(report.run_id, png(chart), name)
    sections = {
        "Test holdout, with 95 % intervals over users": metrics,
        "HR@K on the test holdout": hits,
        f"NDCG@10 (full ranking) less that of {comparison.reference}, by group": groups,
        f"Validation by epoch: {metric_name(key)}": curves,
    }
    intro = f"<p>{escape(report.verdict())}</p>{report.table().html()}"
    tracker.files.log_text(report.run_id, html_page(f"Retraining of {tracker.dataset}", intro, sections), PAGE)


def read_comparison(
    tracker: Tracker,
    models: Sequence[ModelRun],
    data: PreparedData,
    champion: Mapping[str, Ranks] = MappingProxyType({}),
) -> Comparison:
    """Read what the charts need from the models' runs.

    Args:
        tracker: of the data set.
        models: the first is the reference.
        data: the prepared data set.
        champion: ranks of the champion on the same holdout, by its name.
    """
    ranks = {**{model.name: read_ranks(tracker, model) for model in models}, **champion}
    values = {name: of_model.values()[PROMOTION_METRIC] for name, of_model in ranks.items()}
    reference = values.pop(models[0].name)
    return Comparison(
        dataset=tracker.dataset,
        names=list(ranks),
        metrics={title: _metrics(models, champion, key) for title, key in COLUMNS.items()},
        hit_rates={
            protocol: {name: _hit_rates(of_model, protocol) for name, of_model in ranks.items()}
            for protocol in PROTOCOLS
        },
        differences=difference_table(values, reference, data, "test"),
    )


def metric_chart(comparison: Comparison) -> Chart:
    """The test metrics with their 95 % intervals: a panel per metric, a bar per model."""
    panels = [bar_panel(title, bars) for title, bars in comparison.metrics.items()]
    title = f"{comparison.dataset}: test holdout, with 95 % intervals over users"
    return Chart(title, panels, columns=2, height=6.5)


def hit_rate_chart(comparison: Comparison) -> Chart:
    """HR@K by K: a panel per protocol, a curve per model."""
    panels: list[Panel] = []
    for protocol, rates in comparison.hit_rates.items():
        series = [
            Series(name, model_color(index), range(1, len(values) + 1), values, dash=index)
            for index, (name, values) in enumerate(rates.items())
        ]
        last = len(panels) == len(comparison.hit_rates) - 1
        panels.append(Panel(PROTOCOLS[protocol], series, x_label="K", from_zero=True, legend=last))
    return Chart(f"{comparison.dataset}: HR@K on the test holdout", panels, columns=len(panels), height=4.8)


def group_chart(comparison: Comparison) -> Chart:
    """The gain over the reference by group of users: a panel per kind of group, a point with its interval per model."""
    panels = [_group_panel(comparison, kind) for kind in GROUPED_BY]
    title = f"{comparison.dataset}: NDCG@10, full ranking, less that of {comparison.reference}"
    return Chart(title, panels, height=7)


def _group_panel(comparison: Comparison, kind: str) -> Panel:
    rows = comparison.differences[comparison.differences["grouped_by"] == kind]
    models = comparison.names[1:]
    series = []
    for index, name in enumerate(models, start=1):
        of_model = rows[rows["model"] == name]
        offset = (index - (len(models) + 1) / 2) * 0.8 / len(models)  # the models side by side in each group
        series.append(
            Series(
                name,
                model_color(index),
                x=[group + offset for group in range(len(of_model))],
                y=of_model["difference"].tolist(),
                kind="points",
                error=finite((of_model["high"] - of_model["difference"]).tolist()),
            )
        )
    groups = rows.drop_duplicates("group")[["from", "to", "users"]].to_dict("records")
    ticks = [f"{group['from']}-{group['to']}\n{group['users']} user{'s' * (group['users'] != 1)}" for group in groups]
    return Panel(GROUPED_BY[kind], series, [Level(0.0)], x_ticks=ticks, legend=kind == USER_ACTIVITY)


def _metrics(models: Sequence[ModelRun], champion: Mapping[str, Ranks], key: str) -> dict[str, tuple[float, float]]:
    means = {name: ranks.summary()[key.removeprefix("test/")] for name, ranks in champion.items()}
    return {
        **{model.name: (model.metrics[key], model.metrics[f"{key}_ci95"]) for model in models},
        **{name: (mean.value, mean.half_width) for name, mean in means.items()},
    }


def _hit_rates(ranks: Ranks, protocol: str) -> list[float]:
    of_users = ranks.full if protocol == "full" else ranks.sampled
    return [float(hit(of_users, k).mean()) for k in range(1, MAX_K + 1)]


def training_chart(tracker: Tracker, run: ModelRun, key: str) -> Chart:
    """Loss and validation metrics of one model by epoch, with a star at the best epoch.

    Args:
        tracker: of the data set.
        run: the model with its final metrics.
        key: the metric that chose the best epoch.
    """
    best = _best_epoch(run)
    panels = [_panel(tracker, run, "Training", "loss", {TRAIN_LOSS: "loss"})]
    for protocol, words in PROTOCOLS.items():
        names = {f"{BY_EPOCH}/{protocol}/{metric}": name for metric, name in METRICS.items()}
        panels.append(_panel(tracker, run, f"Validation, {words}", "mean over users", names))
    logged = [panel for panel in panels if panel.series]
    title = f"{run.name}: learning curves, ★ epoch {best} is the best ({metric_name(key)})"
    return Chart(title, logged, height=1 + 2.6 * len(logged), share="x")


def validation_chart(
    tracker: Tracker, models: Sequence[ModelRun], baselines: Sequence[ModelRun], key: str, names: Sequence[str]
) -> Chart:
    """The validation metric of all models by epoch; baselines, which have no epochs, are horizontal lines.

    Args:
        tracker: of the data set.
        models: those with epochs.
        baselines: those without.
        key: the metric that chose the best epochs.
        names: all models of the comparison, in the order of their colors.
    """
    series = [
        _line(model, model.name, points, model_color(names.index(model.name)), index)
        for index, model in enumerate(models)
        for points in _points(tracker, model, [key]).values()
    ]
    levels = [
        Level(baseline.metrics[_final(key)], name=baseline.name, dash=index)
        for index, baseline in enumerate(baselines, start=1)
    ]
    title = f"{tracker.dataset}: validation by epoch, ★ is each model's best"
    return Chart(title, [Panel("", series, levels, x_label="epoch", y_label=metric_name(key))])


def common_metric(configs: Sequence[TrainingConfig]) -> str:
    """The metric that all these trainings log: full ranking if all validate by it, else sampled candidates."""
    protocols = {config.validate_by for config in configs}
    return monitored(TrainingConfig(validate_by="full" if protocols == {"full"} else "sampled"))


def metric_name(key: str) -> str:
    """A key in words: "validation/full/ndcg_at_10" is "NDCG@10, full ranking"."""
    protocol, metric = key.split("/")[-2:]
    return f"{METRICS[metric]}, {PROTOCOLS[protocol]}"


def _panel(tracker: Tracker, run: ModelRun, title: str, y_label: str, names: Mapping[str, str]) -> Panel:
    series = [
        _line(run, names[key], points, COLORS[index], index)
        for index, (key, points) in enumerate(_points(tracker, run, list(names)).items())
    ]
    return Panel(title, series, x_label="epoch", y_label=y_label, mark=_best_epoch(run))


def _line(run: ModelRun, name: str, points: Mapping[int, float], color: str, dash: int) -> Series:
    epochs = sorted(points)
    return Series(name, color, epochs, [points[epoch] for epoch in epochs], dash=dash, star=_best_epoch(run))


def _points(tracker: Tracker, run: ModelRun, keys: Sequence[str]) -> dict[str, dict[int, float]]:
    """The logged values by epoch; they begin at epoch 0 if the initial weights were the best."""
    series = tracker.series(run.run_id, keys)
    if _best_epoch(run) > 0:
        return series
    initial = {key: run.metrics[_final(key)] for key in keys if key.startswith(f"{BY_EPOCH}/")}
    return series | {key: {0: value} | series.get(key, {}) for key, value in initial.items()}


def _best_epoch(run: ModelRun) -> int:
    return int(run.metrics[BEST_EPOCH])


def _final(key: str) -> str:
    """The key under which a model's run has the final value of a series."""
    return f"{BEST_VALIDATION}/{key.removeprefix(f'{BY_EPOCH}/')}"
