"""What does it bring to train the winner again on everything? `python -m benchmarks.refit` (10 minutes, one core).

GMF is trained twice with its preset: as a retraining judges it (the twin, which stops by its validation), and again for
the twin's best number of epochs on train, validation and test together, as it serves. What comes next decides.
MovieLens-100K is replayed week by week; in the paper's split of MovieLens-1M the test items are what comes next.
Results: benchmarks/results/refit.md and refit.json.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.bench import processor
from benchmarks.datasets import ML_1M_VARIABLE, has_ml_1m, paper_prefix
from flows.retrain.resolve_settings import resolve_settings
from flows.retrain.settings import RetrainSettings
from ncf.backtest.plan import Policy, Window, make_plan
from ncf.backtest.replay import Replay, WindowData
from ncf.backtest.scoring import HR, KNOWN, NDCG, POPULARITY, column, difference_of, mean_of, score_window
from ncf.config import GMFRecipe
from ncf.data import TEST, TRAIN
from ncf.data.config import DataConfig
from ncf.data.interactions import to_interactions
from ncf.data.prepared import PreparedData
from ncf.data.ratings import Ratings
from ncf.data.split import Pairs
from ncf.data.splits import leave_one_out
from ncf.evaluation.metrics import Mean
from ncf.files import write_json
from ncf.hardware import HardwareConfig
from ncf.ingest.config import MovieLensSource, PaperSource
from ncf.ingest.load import load_ratings
from ncf.ingest.paper import load_paper
from ncf.models.build import build_model
from ncf.prepare import prepare_split
from ncf.serving.bundle import Bundle
from ncf.training.fit import fit

RESULTS = Path(__file__).parent / "results"
SEED = 0
TWIN, REFITTED = "judged twin", "trained again"
MODELS = {TWIN: 0, REFITTED: 1}
DIFFERENCE = f"{REFITTED} - {TWIN}"
ONE_CORE = HardwareConfig(accelerator="cpu", threads=1)


@dataclass(frozen=True)
class Row:
    """One list-maker on what came next, or the difference between the two models.

    Attributes:
        data: the data set and whose lists.
        windows: spans of time that are averaged.
        users: sum over the windows.
        who: popularity, a model, or the difference, paired over the users of every window.
        hr, ndcg: at 10, full ranking.
        measured: day and machine.
    """

    data: str
    windows: int
    users: int
    who: str
    hr: Mean
    ndcg: Mean
    measured: str = ""

    @classmethod
    def of_json(cls, values: dict[str, Any]) -> "Row":
        """The inverse of `asdict`."""
        return cls(**values | {metric: Mean(**values[metric]) for metric in ("hr", "ndcg")})


def main() -> None:
    """Train, print and write benchmarks/results/refit.{md,json}."""
    torch.set_num_threads(1)
    weeks = list(ml_100k_weeks(preset("ml-100k")))
    known = [week[week[column(TWIN, KNOWN)] > 0] for week in weeks]
    found = [*rows("MovieLens-100K, all users", weeks), *rows("MovieLens-100K, users that the twin knows", known)]
    if has_ml_1m():
        data, later = paper_in_time(load_paper(PaperSource(prefix=paper_prefix())))
        found += rows("MovieLens-1M, the paper's split", [score(data, later, preset("ml-1m"), "ml-1m")])
    else:
        print(f"MovieLens-1M is left out: set {ML_1M_VARIABLE} to the paper's files", file=sys.stderr)  # noqa: T201
    measured = f"{datetime.now(UTC):%Y-%m-%d} on {processor()}, one core, torch {torch.__version__}"
    found = [replace(row, measured=measured) for row in found]
    write_json(RESULTS / "refit.json", [asdict(row) for row in found])
    (RESULTS / "refit.md").write_text(as_markdown(found), encoding="utf-8")
    print(as_markdown(found))  # noqa: T201


def preset(dataset: str) -> GMFRecipe:
    """GMF's settings that a retraining of this data set takes."""
    return resolve_settings(RetrainSettings(dataset=dataset)).settings.gmf


def ml_100k_weeks(recipe: GMFRecipe) -> Iterator[pd.DataFrame]:
    """The values of each user, week by week, of models that were trained when the week began."""
    replay = Replay.of("ml-100k", load_ratings(MovieLensSource()), DataConfig())
    for window in make_plan(replay.span, [Policy.named("weekly")]).windows:
        title = f"ml-100k, week {window.number}"
        yield score(replay.before(window.begin), replay.window_data(window), recipe, title)


def paper_in_time(ratings: Ratings) -> tuple[PreparedData, WindowData]:
    """The paper's split as a moment and what came after it.

    Returns:
        What a training sees: the paper's train part, of which each user's two newest items are held out; and the
        paper's test items, as those of a window.
    """
    every = to_interactions(ratings)
    assert every.splits is not None and every.times is not None
    learned, later = every.splits == TRAIN, every.splits == TEST
    train = replace(
        every,
        users=every.users[learned],
        items=every.items[learned],
        times=every.times[learned],
        splits=None,
        candidates=None,
    )
    data = prepare_split("ml-1m", leave_one_out(train))
    window = WindowData(Window(1, 0, 0), data.refitted(test=True), Pairs(every.users[later], every.items[later]))
    return data, window


def score(data: PreparedData, later: WindowData, recipe: GMFRecipe, title: str) -> pd.DataFrame:
    """Train both models, and compare their lists with what came later: see `score_window`."""
    return score_window(later, MODELS, dict(enumerate(train_both(data, recipe, title))))


def train_both(data: PreparedData, recipe: GMFRecipe, title: str) -> tuple[Bundle, Bundle]:
    """The twin, which stops by its validation, and the model trained again on everything for its best epochs."""
    everything = data.refitted(test=True)
    twin = build_model(recipe.model, data.num_users, data.num_items, SEED)
    judged = fit(twin, data, recipe.training, seed=SEED, title=f"{title}: twin", hardware=ONE_CORE)
    again = build_model(recipe.model, data.num_users, data.num_items, SEED)
    served = fit(
        again,
        everything,
        recipe.training,
        seed=SEED,
        title=f"{title}: on everything",
        hardware=ONE_CORE,
        epochs=judged.best_epoch,
    )
    about = {"epochs": judged.best_epoch}
    return (
        Bundle.of(judged.model, recipe.model, data, **about),
        Bundle.of(served.model, recipe.model, everything, **about),
    )


def rows(data: str, windows: Sequence[pd.DataFrame]) -> list[Row]:
    """Popularity, both models and their difference over the windows that have users."""
    frames = [frame for frame in windows if len(frame)]
    size = len(frames), int(np.sum([len(frame) for frame in frames]))
    each = [
        Row(data, *size, who, mean_of(frames, who, HR), mean_of(frames, who, NDCG)) for who in (POPULARITY, *MODELS)
    ]
    hr, ndcg = (difference_of(frames, REFITTED, TWIN, metric) for metric in (HR, NDCG))
    return [*each, Row(data, *size, DIFFERENCE, hr, ndcg)]


def as_markdown(found: Sequence[Row]) -> str:
    """The page."""
    intro = (
        f"GMF with the preset of each data set, seed {SEED}, full ranking of what came next. The {TWIN} has learned "
        "without each user's two newest interactions; the other was trained again with them, for the twin's best "
        "number of epochs. MovieLens-100K: the weeks after the first quarter of the log, each with models trained when "
        "it began, means over the weeks. MovieLens-1M: the paper's train part is what was known, and its test items "
        "came next. Intervals: 95 %, over users; the difference is paired, as in a backtest. The presets were found "
        "on the whole logs, which concerns both models alike. Written by `python -m benchmarks.refit`."
    )
    measured = [f"Measured {text}." for text in sorted({row.measured for row in found})]
    return "\n\n".join([intro, *measured, as_table(found)]) + "\n"


def as_table(found: Sequence[Row]) -> str:
    """One row per list-maker and difference."""
    lines = ["| what came next | users | list | HR@10 | NDCG@10 |", "| --- | ---: | --- | ---: | ---: |"]
    for row in found:
        span = f"{row.data}, {row.windows} weeks" if row.windows > 1 else row.data
        show = _signed if row.who == DIFFERENCE else str
        lines.append(f"| {span} | {row.users:,} | {row.who} | {show(row.hr)} | {show(row.ndcg)} |")
    return "\n".join(lines)


def _signed(mean: Mean) -> str:
    return f"{mean.value:+.4f} ({mean.low:+.4f} to {mean.high:+.4f})"


if __name__ == "__main__":
    main()
