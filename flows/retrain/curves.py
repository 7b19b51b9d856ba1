"""Learning curves: read back from MLflow, which has them whole; a model's become a picture."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from flows.charts.pictures import Curve, Panel, Points, draw_training
from flows.tracking.keys import BEST_EPOCH, BEST_VALIDATION, PROTOCOLS
from flows.tracking.tracking import ModelRun, Tracker
from ncf.config import TrainingConfig
from ncf.training.module import TRAIN_LOSS, monitored

CURVES = "learning_curves.png"
BY_EPOCH = "validation"
METRICS = {"hr_at_10": "HR@10", "ndcg_at_10": "NDCG@10"}


def draw_curves(tracker: Tracker, run: ModelRun, key: str) -> Figure:
    """The loss and the validation of one model by epoch.

    Args:
        tracker: where the model is kept.
        run: the model, with its final metrics.
        key: the metric that chose the best epoch.
    """
    keys = [TRAIN_LOSS, *(f"{BY_EPOCH}/{protocol}/{metric}" for protocol in PROTOCOLS for metric in METRICS)]
    series = _series(tracker, run, keys)
    best = _best_epoch(run)
    panels = [Panel("Training", "loss", _curves(series, {TRAIN_LOSS: "loss"}, best))]
    for protocol, words in PROTOCOLS.items():
        names = {f"{BY_EPOCH}/{protocol}/{metric}": name for metric, name in METRICS.items()}
        panels.append(Panel(f"Validation, {words}", "mean over users", _curves(series, names, best)))
    title = f"{run.name}: learning curves, ★ epoch {best} is the best ({describe(key)})"
    return draw_training(title, panels)


def compared_curves(
    tracker: Tracker, models: Sequence[ModelRun], baselines: Sequence[ModelRun], key: str
) -> tuple[list[Curve], dict[str, float]]:
    """The monitored validation of all models by epoch, and the baselines' level.

    Args:
        tracker: where the models are kept.
        models: those with epochs.
        baselines: those without.
        key: the metric that chose the best epochs.
    """
    curves = [
        Curve(model.name, points, _best_epoch(model))
        for model in models
        for points in _series(tracker, model, [key]).values()
    ]
    return curves, {baseline.name: baseline.metrics[_final(key)] for baseline in baselines}


def common_metric(configs: Sequence[TrainingConfig]) -> str:
    """A key that each of these trainings logs: full ranking where all are validated by it; else the sampled one."""
    protocols = {config.validate_by for config in configs}
    return monitored(TrainingConfig(validate_by="full" if protocols == {"full"} else "sampled"))


def describe(key: str) -> str:
    """A key in words: "validation/full/ndcg_at_10" is "NDCG@10, full ranking"."""
    protocol, metric = key.split("/")[-2:]
    return f"{METRICS[metric]}, {PROTOCOLS[protocol]}"


def _series(tracker: Tracker, run: ModelRun, keys: Sequence[str]) -> dict[str, dict[int, float]]:
    """The series that were logged; they begin at epoch 0 if the initial weights were the best."""
    series = tracker.series(run.run_id, keys)
    if _best_epoch(run) > 0:
        return series
    initial = {key: run.metrics[_final(key)] for key in keys if key.startswith(f"{BY_EPOCH}/")}
    return series | {key: {0: value} | series.get(key, {}) for key, value in initial.items()}


def _curves(series: Mapping[str, Points], names: Mapping[str, str], best: int) -> list[Curve]:
    return [Curve(name, series[key], best) for key, name in names.items() if key in series]


def _best_epoch(run: ModelRun) -> int:
    return int(run.metrics[BEST_EPOCH])


def _final(key: str) -> str:
    """Where the weights that were kept have what a series has by epoch."""
    return f"{BEST_VALIDATION}/{key.removeprefix(f'{BY_EPOCH}/')}"
