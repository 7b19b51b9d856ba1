"""Learning curves as charts, read back from MLflow."""

from collections.abc import Mapping, Sequence

from flows.charts.chart import COLORS, Chart, Level, Panel, Series, model_color
from flows.tracking.keys import BEST_EPOCH, BEST_VALIDATION, PROTOCOLS
from flows.tracking.tracker import ModelRun, Tracker
from ncf.config import TrainingConfig
from ncf.training.module import TRAIN_LOSS, monitored

CURVES = "learning_curves.png"
BY_EPOCH = "validation"
METRICS = {"hr_at_10": "HR@10", "ndcg_at_10": "NDCG@10"}


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
