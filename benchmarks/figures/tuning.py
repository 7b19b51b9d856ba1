"""Tuning: the best score found in a fixed time, with TPE and pruning or by random search without pruning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import mean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.bench import Bench
from benchmarks.table import Row

OURS, PEER = "ours", "peer"
SIDES: Mapping[str, dict[str, Any]] = {
    OURS: {"sampler": "tpe", "pruner": "median"},
    PEER: {"sampler": "random", "pruner": "none"},
}
NAMES = {OURS: "TPE, median pruning", PEER: "random search, no pruning"}
COLORS = {OURS: "#0072B2", PEER: "#D55E00"}  # Okabe and Ito's: distinguishable with color blindness
DASHES = {OURS: "-", PEER: "--"}
THREADS = 1
GMF_SCORE = "best validation NDCG@10 (full), GMF on ML-100K"


@dataclass(frozen=True)
class Search:
    """One study.

    Attributes:
        complete: (minutes, score) of each trial that ended in time with its whole training, by time.
        pruned: trials pruned in time.
    """

    complete: tuple[tuple[float, float], ...]
    pruned: int

    def best_at(self, minutes: float) -> float | None:
        """The best score after some minutes; None before the first."""
        return max((score for end, score in self.complete if end <= minutes), default=None)

    def reached(self, score: float) -> float | None:
        """Minutes until the best score reached a value; None if it never did."""
        return next((end for end, found in self.complete if found >= score), None)


def search_of(trials: Sequence[Mapping[str, Any]], minutes: float) -> Search:
    """The trials of a job, without those that ended too late or failed."""
    in_time = [trial for trial in trials if trial["minutes"] <= minutes]
    complete = sorted((trial["minutes"], trial["score"]) for trial in in_time if trial["state"] == "complete")
    return Search(tuple(complete), sum(trial["state"] == "pruned" for trial in in_time))


@cache
def searches(bench: Bench) -> dict[str, list[Search]]:
    """All studies of both sides, alternating, each in a separate process."""
    found: dict[str, list[Search]] = {OURS: [], PEER: []}
    minutes = bench.sizes.tuning_minutes
    for seed in bench.sizes.tuning_seeds:
        for side, settings in SIDES.items():
            job = {**settings, "seed": seed, "minutes": minutes, "users": bench.sizes.tuning_users, "threads": THREADS}
            found[side].append(search_of(bench.ours("tune", **job)["trials"], minutes))
    return found


def rows_of(found: Mapping[str, Sequence[Search]], minutes: float, measured: str) -> list[Row]:
    """The rows of the table; each figure is the mean over the seeds."""
    scores = {side: _mean([search.best_at(minutes) for search in studies]) for side, studies in found.items()}
    tried = {side: mean(len(s.complete) + s.pruned for s in studies) for side, studies in found.items()}
    pruned = mean(search.pruned for search in found[OURS])
    waits = [
        (ours.reached(final), theirs.reached(final))
        for ours, theirs in zip(found[OURS], found[PEER], strict=True)
        if (final := theirs.best_at(minutes)) is not None
    ]
    reached = [ours for ours, _ in waits if ours is not None]
    note = (
        f"{minutes:g} minutes of the clock for each study, the search's own work and the database's included; what "
        f"ended later is not counted. Ours: {NAMES[OURS]}, the default settings; peer: {NAMES[PEER]}, over the same "
        f"space, with the same engine. Both begin with GMF's defaults. Mean of {len(found[OURS])} seeds; by seed, ours "
        f"/ peer: {_by_seed(found, minutes)}. Of ours {pruned:.1f} trials were given up early"
    )
    until = f"ours reached the peer's last best with {len(reached)} of {len(waits)} seeds; the mean is over these"
    took = (mean(reached) if reached else None, _mean([theirs for _, theirs in waits]))

    def row(figure: str, unit: str, pair: tuple[float | None, float | None], must: str = "") -> Row:
        return Row("tuning", figure, unit, *pair, must, THREADS, None, f"{note}; {until}", measured)

    return [
        row(f"{GMF_SCORE}: after {minutes:g} minutes", "", _pair(scores), ">= 1"),
        row(f"trials ended in {minutes:g} minutes", "trials", _pair(tried)),
        row("until the peer's last best was reached", "min", took),
    ]


def tuning(bench: Bench) -> list[Row]:
    """Search with both sides."""
    return rows_of(searches(bench), bench.sizes.tuning_minutes, bench.measured)


def picture(bench: Bench) -> Figure:
    """The best score so far over time."""
    return draw(searches(bench), bench.sizes.tuning_minutes)


def draw(found: Mapping[str, Sequence[Search]], minutes: float) -> Figure:
    """Draw a thin line per study and a thick one for each side's mean, from where all of its studies have a score."""
    figure = Figure(figsize=(9, 5.5), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    for side, studies in found.items():
        for search in studies:
            _draw(axes, [search], minutes, side, linewidth=0.8, alpha=0.6)
        _draw(axes, studies, minutes, side, linewidth=2.5, label=f"{NAMES[side]} (mean of {len(studies)})")
    axes.set_title("GMF on ML-100K: best validation NDCG@10 so far")
    axes.set_xlabel("minutes")
    axes.set_ylabel("validation NDCG@10 (full ranking)")
    axes.set_xlim(0, minutes)
    axes.grid(color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", framealpha=0.9)
    return figure


def mean_steps(studies: Sequence[Search], minutes: float) -> tuple[list[float], list[float]]:
    """Minutes and mean best score so far, from where all studies have a score; empty if a study has none."""
    moments = sorted({end for search in studies for end, _ in search.complete} | {minutes})
    known = [(moment, _mean([search.best_at(moment) for search in studies])) for moment in moments]
    steps = [(moment, value) for moment, value in known if value is not None]
    return [moment for moment, _ in steps], [value for _, value in steps]


def _draw(axes: Axes, studies: Sequence[Search], minutes: float, side: str, **style: Any) -> None:
    axes.step(*mean_steps(studies, minutes), DASHES[side], where="post", color=COLORS[side], **style)


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean; None if a value is missing."""
    there = [value for value in values if value is not None]
    return mean(there) if there and len(there) == len(values) else None


def _pair(values: Mapping[str, float | None]) -> tuple[float | None, float | None]:
    return values[OURS], values[PEER]


def _by_seed(found: Mapping[str, Sequence[Search]], minutes: float) -> str:
    pairs = zip(found[OURS], found[PEER], strict=True)
    return ", ".join(f"{_short(ours.best_at(minutes))} / {_short(theirs.best_at(minutes))}" for ours, theirs in pairs)


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
