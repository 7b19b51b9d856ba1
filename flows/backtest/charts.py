"""The windows of a backtest as charts: the gains, then a panel per metric, with a curve per policy."""

from collections.abc import Sequence

import pandas as pd

from flows.charts.chart import Chart, Level, Panel, Series, finite, model_color
from ncf.backtest.plan import Plan, Window
from ncf.backtest.scoring import HR, KNOWN, NDCG, POPULARITY, column, difference_of
from ncf.data.times import time_of
from ncf.evaluation.metrics import Mean, mean_with_interval

TITLES = {NDCG: "NDCG@10", HR: "HR@10", KNOWN: "share of the users that the model knows"}


def picture(title: str, panels: Sequence[Panel]) -> Chart:
    """All panels one above the other. Only the gains have intervals: those of single windows would hide the curves."""
    gains, *metrics = panels
    return Chart(title, [gains, *(panel.without_errors() for panel in metrics)], height=11.5, share="x")


def page_sections(panels: Sequence[Panel]) -> dict[str, Chart]:
    """Each panel as a chart of its own under its heading."""
    gains, *metrics = panels
    by_heading = {gains.title: gains} | {f"{panel.title}, by window": panel for panel in metrics}
    return {heading: Chart("", [panel]) for heading, panel in by_heading.items()}


def window_panels(plan: Plan, windows: Sequence[tuple[Window, pd.DataFrame]]) -> list[Panel]:
    """The gains in NDCG@10 over the policy that trains most rarely, then each metric; full dots are new models.

    Args:
        plan: the policies.
        windows: those with any user, each with the table of its users.
    """
    names = [POPULARITY, *(policy.name for policy in plan.policies)]
    frames = [frame for _, frame in windows]
    reference = names[-1]
    gains = {
        name: [difference_of(frames[:number], name, reference, NDCG) for number in range(1, len(frames) + 1)]
        for name in names[:-1]
    }
    title = f"NDCG@10 more than {reference}: mean over the windows so far, with its 95 % interval"
    panels = [_panel(title, gains, plan, windows, [Level(0.0, model_color(len(names) - 1))])]
    for metric, words in TITLES.items():
        means = {
            name: [mean_with_interval(frame[column(name, metric)].to_numpy()) for frame in frames]
            for name in (names[1:] if metric == KNOWN else names)
        }
        panels.append(_panel(words, means, plan, windows))
    return panels


def _panel(
    title: str,
    means: dict[str, list[Mean]],
    plan: Plan,
    windows: Sequence[tuple[Window, pd.DataFrame]],
    levels: Sequence[Level] = (),
) -> Panel:
    names = [POPULARITY, *(policy.name for policy in plan.policies)]
    new = {POPULARITY: [False] * len(windows), **_new_models(plan, windows)}
    series = []
    for name, values in means.items():
        index = names.index(name)
        series.append(
            Series(
                name,
                model_color(index),
                x=[time_of(window.begin) for window, _ in windows],
                y=[mean.value for mean in values],
                dash=index,
                error=finite([mean.half_width for mean in values]),
                filled=new[name],
                notes=[_note(len(frame), is_new) for (_, frame), is_new in zip(windows, new[name], strict=True)],
            )
        )
    return Panel(
        title, series, levels, x_label="the window's first day", from_zero=not levels, legend=title == TITLES[NDCG]
    )


def _new_models(plan: Plan, windows: Sequence[tuple[Window, pd.DataFrame]]) -> dict[str, list[bool]]:
    """By policy, whether a window's model is newer than that of the window before."""
    return {
        policy.name: [
            window.number == 1 or plan.moment(policy, window) > window.begin - (window.end - window.begin)
            for window, _ in windows
        ]
        for policy in plan.policies
    }


def _note(users: int, is_new: bool) -> str:
    return f"{users} user{'s' * (users != 1)}{', new model' if is_new else ''}"
