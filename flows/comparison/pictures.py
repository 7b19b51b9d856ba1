"""A comparison as pictures (PNG), which MLflow's UI shows under Artifacts."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from flows.comparison.values import Compared, groups_in_words
from flows.keys import PROTOCOLS
from flows.pictures import DASHES, GREY, LABEL, SMALL, colour, new_figure, plain
from ncf.evaluation.groups import ITEM_POPULARITY, USER_ACTIVITY

GROUPED_BY = {
    USER_ACTIVITY: "users by their interactions in train",
    ITEM_POPULARITY: "users by how often their held-out item is in train",
}


def draw_bars(compared: Compared) -> Figure:
    """The test metrics of the table with their 95 % intervals: a panel a metric, a bar a model."""
    figure = new_figure(f"{compared.dataset}: test holdout, with 95 % intervals over users", height=6.5)
    panels = np.ravel(figure.subplots(2, -(-len(compared.bars) // 2)))
    for axes, (title, bars) in zip(panels, compared.bars.items(), strict=False):
        places = range(len(bars))
        means, halves = zip(*bars.values(), strict=True)
        axes.barh(places, means, xerr=halves, color=_colours(compared), error_kw={"ecolor": GREY, "capsize": 3})
        axes.set_yticks(places, list(bars))
        axes.invert_yaxis()  # the table's order from above
        axes.set_title(title, fontsize=LABEL, loc="left")
        plain(axes)
    return figure


def draw_hits(compared: Compared) -> Figure:
    """HR@K over K: a panel a protocol, a curve a model."""
    figure = new_figure(f"{compared.dataset}: HR@K on the test holdout", height=4.8)
    for axes, (protocol, curves) in zip(figure.subplots(1, len(compared.hits)), compared.hits.items(), strict=True):
        for number, (name, values) in enumerate(curves.items()):
            style = DASHES[number % len(DASHES)]
            axes.plot(range(1, len(values) + 1), values, style, color=colour(number), linewidth=1.8, label=name)
        axes.set_title(PROTOCOLS[protocol], fontsize=LABEL, loc="left")
        axes.set_xlabel("K", fontsize=LABEL)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        plain(axes)
    figure.axes[-1].legend(fontsize=SMALL, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def draw_groups(compared: Compared) -> Figure:
    """How much better than the reference each model is, by group of users: a panel a kind of group."""
    figure = new_figure(f"{compared.dataset}: NDCG@10, full ranking, less that of {compared.reference}", height=7)
    panels = figure.subplots(2, 1)
    for axes, (kind, words) in zip(panels, GROUPED_BY.items(), strict=True):
        _groups(axes, compared, kind)
        axes.set_title(words, fontsize=LABEL, loc="left")
    figure.axes[0].legend(fontsize=SMALL, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def _groups(axes: Axes, compared: Compared, kind: str) -> None:
    rows = compared.differences[compared.differences["grouped_by"] == kind]
    models = compared.names[1:]
    for number, name in enumerate(models, start=1):
        mine = rows[rows["model"] == name]
        places = np.arange(len(mine)) + (number - (len(models) + 1) / 2) * 0.8 / len(models)
        half = (mine["high"] - mine["difference"]).where(np.isfinite(mine["high"]), 0.0)  # one user: no interval
        axes.errorbar(places, mine["difference"], yerr=half, fmt="o", color=colour(number), capsize=2, label=name)
    axes.axhline(0, color=GREY, linewidth=1)
    ticks = [words.replace("<br>", "\n") for words in groups_in_words(rows)]
    axes.set_xticks(range(len(ticks)), ticks)
    plain(axes)


def _colours(compared: Compared) -> list[str]:
    return [colour(number) for number in range(len(compared.names))]
