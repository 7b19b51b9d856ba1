"""Whole replays of planted logs, whose answers are worked out by hand or by plain counting."""

import math
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from ncf.backtest.plan import Plan, Policy, make_plan
from ncf.backtest.replay import Replay
from ncf.backtest.scoring import HR, INTERACTIONS, KNOWN, NDCG, POPULARITY, column, metric_columns, score_window
from ncf.config import GMFConfig, GMFTraining
from ncf.data.config import DataConfig
from ncf.data.history import DAY
from ncf.models.build import build_model
from ncf.serving.bundle import Bundle
from ncf.training.fit import fit
from tests.ncf.backtest.logs import MONDAY, WEEK, Row, colours, log_of

SHORT = GMFTraining(max_epochs=25, learning_rate=0.03, batch_size=512, patience=25)


def replayed(rows: list[Row], policies: list[str], start: int, epochs: int = 0) -> tuple[Plan, list[pd.DataFrame]]:
    """Train (or leave the initial weights) at every moment, and judge every window."""
    replay = Replay.of("planted", log_of(rows), DataConfig(num_candidates=5))
    plan = make_plan(replay.span, [Policy.named(name) for name in policies], start=start)
    training = SHORT.model_copy(update={"max_epochs": epochs})
    bundles = {}
    for moment in plan.every_moment():
        data = replay.before(moment)
        model = build_model(GMFConfig(embedding_dim=8), data.num_users, data.num_items, seed=0)
        bundles[moment] = Bundle.of(fit(model, data, training, seed=0).model, GMFConfig(embedding_dim=8), data)
    return plan, [
        score_window(
            replay.window_data(window), {policy.name: plan.moment(policy, window) for policy in plan.policies}, bundles
        )
        for window in plan.windows
    ]


def means(frame: pd.DataFrame, metric: str) -> Mapping[str, float]:
    return {who: float(frame[column(who, metric)].mean()) for who, its in metric_columns(frame) if its == metric}


def strangers(weeks: int, catalogue: int = 60) -> list[Row]:
    """New users each week, three rows each and never again; what they like moves on by two items a week."""
    rng = np.random.default_rng(3)
    rows: list[Row] = []
    for week in range(weeks):
        liking = np.exp(-np.abs(np.arange(catalogue) - 2 * week - 10) / 3.0)
        for user in range(week * 50, week * 50 + 50):
            for item in rng.choice(catalogue, size=3, replace=False, p=liking / liking.sum()):
                rows.append((user, int(item), week * 7 + float(rng.uniform(0, 7)), 5))
    return rows


def expected_hits(rows: list[Row], learned: Mapping[int, float], window: tuple[float, float]) -> list[float]:
    """Whether users whom nobody knows find one of the items that were popular, counted plainly; a tie is lost."""
    begin, end = window
    catalogue = {item for _, item, day, _ in rows if day < end}
    found: dict[int, float] = {}
    for user, item, day, _ in rows:
        if begin <= day < end:
            mine = learned.get(item, -math.inf)  # an item that the model does not know comes last
            rank = sum(learned.get(other, -math.inf) >= mine for other in catalogue)
            found[user] = max(found.get(user, 0.0), float(rank <= 10))
    return [found[user] for user in sorted(found)]


def test_strangers_are_served_what_was_popular_when_the_model_was_trained() -> None:
    rows = strangers(weeks=8)
    plan, frames = replayed(rows, ["weekly", "monthly", "never"], MONDAY + 2 * WEEK)
    replay = Replay.of("planted", log_of(rows), DataConfig(num_candidates=5))
    assert [len(plan.moments(policy)) for policy in plan.policies] == [6, 2, 1]
    for window, frame in zip(plan.windows, frames, strict=True):
        days = ((window.begin - MONDAY) / DAY, (window.end - MONDAY) / DAY)
        for policy in plan.policies:
            data = replay.before(plan.moment(policy, window))  # its train: without the two held out of each user
            learned = dict(zip(data.item_ids.tolist(), data.item_counts.tolist(), strict=True))
            assert frame[column(policy.name, HR)].tolist() == expected_hits(rows, learned, days)
        all_known = Counter(item for _, item, day, _ in rows if day < days[0])
        assert frame[column(POPULARITY, HR)].tolist() == expected_hits(rows, all_known, days)
        assert set(means(frame, KNOWN).values()) == {0.0, 1.0}, "nobody but popularity knows them"
        assert frame[INTERACTIONS].tolist() == [3] * 50
    last = means(frames[-1], HR)
    assert last["weekly"] > last["monthly"] + 0.2 and last["monthly"] > last["never"] + 0.1, "tastes moved on"


def test_an_item_that_comes_in_the_window_itself_is_found_by_nobody() -> None:
    """A leak would find them all: in each week everybody meets one item, new in that very week."""
    rows = colours(weeks=6)
    base = [row for row in rows if row[2] < 21]
    news: list[Row] = [(user, 10_000 + week, week * 7 + 6 + user / 100, 5) for week in (3, 4, 5) for user in range(40)]
    _, frames = replayed([*base, *news], ["weekly", "never"], MONDAY + 3 * WEEK, epochs=2)
    assert len(frames) == 3
    for frame in frames:
        assert len(frame) == 40
        assert means(frame, HR) == {"popularity": 0.0, "weekly": 0.0, "never": 0.0}
        assert means(frame, NDCG) == {"popularity": 0.0, "weekly": 0.0, "never": 0.0}


def test_who_is_known_or_can_be_folded_in_is_served_their_own_taste() -> None:
    """Users of either colour: a model finds the colour, also of users who came after its training by the newest log.

    Popularity finds it half of the time.
    """
    plan, frames = replayed(colours(weeks=9), ["weekly", "never"], MONDAY + 6 * WEEK, epochs=SHORT.max_epochs)
    assert [policy.name for policy in plan.policies] == ["weekly", "never"]
    for frame in frames:
        hits, known = means(frame, HR), means(frame, KNOWN)
        assert known["weekly"] >= known["never"]
        theirs = frame[frame[column("never", KNOWN)] == 1]
        assert theirs[column("never", HR)].mean() > 0.85
        assert hits["weekly"] > hits["popularity"]
    newer = frames[-1][(frames[-1][column("weekly", KNOWN)] == 1) & (frames[-1][column("never", KNOWN)] == 0)]
    assert len(newer) == 40, "those who came in the first two windows"
    found = {who: newer[column(who, HR)].mean() for who in ("weekly", "never", POPULARITY)}
    assert min(found["weekly"], found["never"]) > found[POPULARITY] + 0.15


def test_policies_that_share_a_model_have_the_same_figures() -> None:
    _, frames = replayed(colours(weeks=5), ["weekly", "monthly", "never"], MONDAY + 3 * WEEK, epochs=1)
    for metric in (HR, NDCG, KNOWN):
        assert frames[0][column("weekly", metric)].equals(frames[0][column("never", metric)])
        assert frames[1][column("monthly", metric)].equals(frames[1][column("never", metric)])


def test_a_window_in_which_nothing_came_has_no_row() -> None:
    rows = [row for row in colours(weeks=6) if not 28 <= row[2] < 35]
    _, frames = replayed(rows, ["never"], MONDAY + 3 * WEEK)
    assert [len(frame) > 0 for frame in frames] == [True, False, True]
    assert [name for name, _ in metric_columns(frames[1])] == [POPULARITY] * 3 + ["never"] * 3


def test_figures_are_between_nothing_and_all() -> None:
    _, frames = replayed(colours(weeks=5), ["weekly"], MONDAY + 3 * WEEK, epochs=1)
    for frame in frames:
        for who, metric in metric_columns(frame):
            assert frame[column(who, metric)].between(0, 1).all()
        assert ((frame[column("weekly", NDCG)] > 0) == (frame[column("weekly", HR)] == 1)).all()
    assert frames[0]["user_id"].is_monotonic_increasing and pytest.approx(1) == frames[0]["popularity/known"].mean()
