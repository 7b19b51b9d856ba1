"""What a study has found so far."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import optuna.visualization as draw
from optuna.trial import FrozenTrial, TrialState
from plotly.graph_objects import Figure

from tuning.observer import Recipe, State, TrialOutcome
from tuning.records import BASE, QUEUED, interval_of, minutes_used, outcome_of, places
from tuning.space import with_values
from tuning.study import StudyHandle


@dataclass(frozen=True)
class StudySummary:
    """A study as it stands.

    Attributes:
        outcomes: of all trials that ended, by number.
        best: the complete trial with the best validation NDCG@10, the first of equals; None as long as there is none.
        recipe: the whole settings of the best.
        default: the trial of the settings that the search began with; None as long as it has not ended.
        pareto: with a second objective, the complete trials that no other beats in both, by number; else empty.
        minutes: in which at least one trial ran.
        states: number of trials by state, of those that ended.
        running: trials that run now, or did until their process died.
        waiting: trials in the queue.
    """

    outcomes: tuple[TrialOutcome, ...]
    best: TrialOutcome | None
    recipe: Recipe | None
    default: TrialOutcome | None
    pareto: tuple[TrialOutcome, ...]
    minutes: float
    states: Mapping[State, int]
    running: int
    waiting: int


def summarise(handle: StudyHandle) -> StudySummary:
    """Read the study.

    Raises:
        StudyError: the database failed.
    """
    problem = handle.problem
    with handle.database.told():
        trials = handle.study.get_trials(deepcopy=False)
        front = {trial.number for trial in handle.study.best_trials} if problem.second else set()
    found = places(trials)
    counts = Counter(found.values())
    ended = [trial for trial in trials if found[trial.number] in ("complete", "pruned", "failed", "interrupted")]
    outcomes = tuple(outcome_of(trial, problem.space) for trial in ended)
    complete = [outcome for outcome in outcomes if outcome.state == "complete"]
    best = max(complete, key=lambda outcome: (outcome.score or 0.0, -outcome.number), default=None)
    bases = {trial.number for trial in trials if trial.user_attrs.get(QUEUED) == BASE}
    return StudySummary(
        outcomes=outcomes,
        best=best,
        recipe=with_values(problem.recipe, best.values) if best else None,
        default=_default(outcomes, bases),
        pareto=tuple(outcome for outcome in complete if outcome.number in front),
        minutes=minutes_used(filter(None, map(interval_of, trials))),
        states=Counter(outcome.state for outcome in outcomes),
        running=counts["running"],
        waiting=counts["waiting"],
    )


def _default(outcomes: tuple[TrialOutcome, ...], bases: set[int]) -> TrialOutcome | None:
    """The first trial, or the one that did its work in the end."""
    theirs = [o for o in outcomes if o.number in bases or o.retry_of in bases]
    return next((outcome for outcome in theirs if outcome.state != "interrupted"), None)


SCORE = "validation NDCG@10"
SECOND = {"seconds": "seconds of training", "size": "number of weights"}
FEWEST_FOR_IMPORTANCES = 4  # below that, what matters can't be told from chance
OF_SCORE: dict[str, Any] = {"target": lambda trial: trial.values[0], "target_name": SCORE}
OF_LOW: dict[str, Any] = {"target": lambda trial: -trial.values[0], "target_name": SCORE}  # for PED-ANOVA: a cost


def figures(handle: StudyHandle) -> dict[str, Figure]:
    """The study's pictures by name; one that there are too few trials for is left out.

    Names: history, importances, slices, parallel_coordinates, intermediate_values, pareto_front.

    Raises:
        StudyError: the database failed.
    """
    study = handle.study
    with handle.database.told():
        trials = study.get_trials(deepcopy=False)
        found = places(trials)
        complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        reported = any(t.intermediate_values for t in trials if found[t.number] in ("complete", "pruned"))
        wanted: dict[str, tuple[bool, Callable[[], Figure]]] = {
            "history": (bool(complete), lambda: draw.plot_optimization_history(study, **OF_SCORE)),
            "importances": (_can_weigh(complete), lambda: draw.plot_param_importances(study, **OF_LOW)),
            "slices": (bool(complete), lambda: draw.plot_slice(study, **OF_SCORE)),
            "parallel_coordinates": (
                len(complete) > 1,
                lambda: draw.plot_parallel_coordinate(study, **OF_SCORE),
            ),
            "intermediate_values": (reported, lambda: draw.plot_intermediate_values(study)),
            "pareto_front": (
                handle.problem.second is not None and bool(complete),
                lambda: draw.plot_pareto_front(study, target_names=[SCORE, SECOND[handle.problem.second or ""]]),
            ),
        }
        return {name: make() for name, (possible, make) in wanted.items() if possible}


def _can_weigh(complete: list[FrozenTrial]) -> bool:
    return len(complete) >= FEWEST_FOR_IMPORTANCES and len({trial.values[0] for trial in complete}) > 1
