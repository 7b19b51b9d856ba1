"""Plots of the quality page: sizes, pretraining, negatives, alpha, list lengths, epochs."""

from collections.abc import Sequence
from statistics import mean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.bench import Bench
from benchmarks.figures.quality.plan import Kind
from benchmarks.figures.quality.published import PAPER
from benchmarks.figures.quality.table import METRICS, NAMES, PARTS_AND_FUSED, by_negatives, plan
from benchmarks.ours.logs import ML_1M
from ncf.config import ModelName

COLORS: dict[ModelName, str] = {  # Okabe and Ito's: distinguishable with color blindness
    "gmf": "#0072B2",
    "mlp": "#D55E00",
    "neumf": "#009E73",
    "neumf-pretrained": "#CC79A7",
}
ALPHAS = (*(number / 10 for number in range(9)), 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 1.0)


def factors(bench: Bench) -> Figure:
    """HR@10 and NDCG@10 by number of factors, ours beside the paper's."""
    return _by_size(bench, PARTS_AND_FUSED)


def pretraining(bench: Bench) -> Figure:
    """NeuMF by number of factors, from scratch and pretrained, ours beside the paper's."""
    return _by_size(bench, ("neumf", "neumf-pretrained"))


def _by_size(bench: Bench, models: Sequence[ModelName]) -> Figure:
    figure, axes = _pair("Test holdout of the paper's split, 99 candidates", "factors")
    sizes = bench.sizes.quality
    for index, (metric, axis) in enumerate(zip(METRICS, axes, strict=True)):
        for model in models:
            finals = [plan(bench, ML_1M, "sampled").finals(Kind(model, size), sizes.seeds) for size in sizes.factors]
            values = [mean(final[f"sampled/{metric}"] for final in each) for each in finals]
            axis.plot(sizes.factors, values, "o-", color=COLORS[model], label=NAMES[model])
            published = [(size, PAPER[model, size][index]) for size in sizes.factors if (model, size) in PAPER]
            if published:
                label = f"{NAMES[model]}, the paper"
                axis.plot(*zip(*published, strict=True), "x--", color=COLORS[model], alpha=0.6, label=label)
        axis.set_xscale("log", base=2)
        axis.set_xticks(sizes.factors, [str(size) for size in sizes.factors])
    _legend(axes)
    return figure


def lengths(bench: Bench) -> Figure:
    """HR at 1 to 10 of the widest models."""
    figure, axes = _single("Test holdout of the paper's split, 99 candidates", "length of list", "HR")
    sizes = bench.sizes.quality
    for model in PARTS_AND_FUSED:
        finals = plan(bench, ML_1M, "sampled").finals(Kind(model, max(sizes.factors)), sizes.seeds)
        values = [mean(column) for column in zip(*(final["hr_by_length"] for final in finals), strict=True)]
        label = f"{NAMES[model]}, {max(sizes.factors)} factors"
        axes.plot(range(1, len(values) + 1), values, "o-", color=COLORS[model], label=label)
    _legend([axes])
    return figure


def epochs(bench: Bench) -> Figure:
    """Training loss and HR@10 by epoch of the widest models, first seed."""
    figure = Figure(figsize=(11, 4.8), dpi=110, layout="constrained")
    loss, hit = figure.subplots(1, 2)
    size = max(bench.sizes.quality.factors)
    for model in PARTS_AND_FUSED:
        [final] = plan(bench, ML_1M, "sampled").finals(Kind(model, size), bench.sizes.quality.seeds[:1])
        numbers = range(1, len(final["losses"]) + 1)
        style = {"color": COLORS[model], "label": f"{NAMES[model]}, {size} factors"}
        loss.plot(numbers, final["losses"], ".-", **style)
        hit.plot(numbers, [point[0] for point in final["curve"]], ".-", **style)
    _style(loss, "epoch", "training loss, L2 included")
    _style(hit, "epoch", "HR@10 on test, after the fact")
    _legend([loss, hit])
    return figure


def negatives(bench: Bench) -> Figure:
    """Validation HR@10 and NDCG@10 by number of drawn negatives."""
    figure, axes = _pair("Validation holdout of the paper's split, 99 candidates", "negatives for each positive")
    for metric, axis in zip(METRICS, axes, strict=True):
        for model, results in by_negatives(bench).items():
            values = [result[f"sampled/{metric}"] for result in results]
            axis.plot(bench.sizes.quality.negatives, values, "o-", color=COLORS[model], label=NAMES[model])
    _legend(axes)
    return figure


def alpha(bench: Bench) -> Figure:
    """HR@10 and NDCG@10 of the fusion of GMF and MLP for each alpha, without training after it."""
    figure, axes = _pair("Test holdout of the paper's split: GMF and MLP fused, not trained on", "alpha (share of GMF)")
    todo, sizes = plan(bench, ML_1M, "sampled"), bench.sizes.quality
    shades = (0.35, 0.5, 0.75, 1.0)
    for shade, size in zip(shades, sizes.factors, strict=False):
        specs = [todo.spec(part, sizes.seeds[0]) for part in Kind("neumf-pretrained", size).parts]
        job = {"task": "fuse", "log": todo.log, "parts": specs, "alphas": list(ALPHAS)}
        found = todo.jobs.result(job)["by_alpha"]
        for metric, axis in zip(METRICS, axes, strict=True):
            values = [each[f"sampled/{metric}"] for each in found]
            axis.plot(ALPHAS, values, "o-", color=COLORS["neumf-pretrained"], alpha=shade, label=f"{size} factors")
    _legend(axes)
    return figure


def _pair(title: str, below: str) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(11, 4.8), dpi=110, layout="constrained")
    axes = list(figure.subplots(1, 2))
    figure.suptitle(title)
    for axis, name in zip(axes, METRICS.values(), strict=True):
        _style(axis, below, name)
    return figure, axes


def _single(title: str, below: str, left: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7, 4.8), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    _style(axes, below, left)
    return figure, axes


def _style(axes: Axes, below: str, left: str) -> None:
    axes.set_xlabel(below)
    axes.set_ylabel(left)
    axes.grid(color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _legend(axes: Sequence[Axes]) -> None:
    axes[-1].legend(framealpha=0.9, fontsize="small")
