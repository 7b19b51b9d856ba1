"""The state of a study: outcomes, best settings, and figures."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import optuna.visualization as draw
from optuna.trial import TrialState
from plotly.graph_objects import Figure

from ncf.config import Recipe
from tuning.problem import State, TrialOutcome
from tuning.records import BASE, Attr, interval_of, minutes_used, outcome_of, trial_states
from tuning.space import with_values
from tuning.study import StudyHandle


@dataclass(frozen=True)
class StudySummary:
    """The state of a study.

    Attributes:
        outcomes: of all trials that have ended, by number.
        best: the complete trial with the best validation NDCG@10, the first one of several; None if there is none yet.
        recipe: all settings of the best trial.
        default: the trial of the initial settings; None if it has not ended yet.
        pareto: with a second objective, the complete trials that no other trial beats in both, by number; else empty.
        minutes: during which at least one trial ran.
        states: number of trials by state, of those that have ended.
        running: number of trials that run, or whose process died.
        waiting: number of trials in the queue.
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


def summarize(handle: StudyHandle) -> StudySummary:
    """Read the state of a study.

    Raises:
        StudyError: the database failed.
    """
    problem = handle.problem
    with handle.database.translated_errors():
        trials = handle.study.get_trials(deepcopy=False)
        front = {trial.number for trial in handle.study.best_trials} if problem.second else set()
    found = trial_states(trials)
    counts = Counter(found.values())
    ended = [trial for trial in trials if found[trial.number] in ("complete", "pruned", "failed", "interrupted")]
    outcomes = tuple(outcome_of(trial, problem.space) for trial in ended)
    complete = [outcome for outcome in outcomes if outcome.state == "complete"]
    best = max(complete, key=lambda outcome: (outcome.score or 0.0, -outcome.number), default=None)
    bases = {trial.number for trial in trials if trial.user_attrs.get(Attr.QUEUED) == BASE}
    # the trial of the initial settings, and those that repeated it
    initial = [outcome for outcome in outcomes if outcome.number in bases or outcome.retry_of in bases]
    return StudySummary(
        outcomes=outcomes,
        best=best,
        recipe=with_values(problem.recipe, best.values) if best else None,
        default=next((outcome for outcome in initial if outcome.state != "interrupted"), None),
        pareto=tuple(outcome for outcome in complete if outcome.number in front),
        minutes=minutes_used(filter(None, map(interval_of, trials))),
        states=Counter(outcome.state for outcome in outcomes),
        running=counts["running"],
        waiting=counts["waiting"],
    )


SCORE = "validation NDCG@10"
SECOND = {"seconds": "seconds of training", "size": "number of weights"}
FEWEST_FOR_IMPORTANCES = 4  # with fewer trials, importances are random
SCORE_TARGET: dict[str, Any] = {"target": lambda trial: trial.values[0], "target_name": SCORE}
COST_TARGET: dict[str, Any] = {
    "target": lambda trial: -trial.values[0],
    "target_name": SCORE,
}  # PED-ANOVA expects a cost


def figures(handle: StudyHandle) -> dict[str, Figure]:
    """The figures of the study by name; a figure that needs more trials is left out.

    Names: history, importances, slices, parallel_coordinates, intermediate_values, pareto_front.

    Raises:
        StudyError: the database failed.
    """
    study = handle.study
    with handle.database.translated_errors():
        trials = study.get_trials(deepcopy=False)
        found = trial_states(trials)
        complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        reported = any(t.intermediate_values for t in trials if found[t.number] in ("complete", "pruned"))
        differ = len(complete) >= FEWEST_FOR_IMPORTANCES and len({trial.values[0] for trial in complete}) > 1
        wanted: dict[str, tuple[bool, Callable[[], Figure]]] = {
            "history": (bool(complete), lambda: draw.plot_optimization_history(study, **SCORE_TARGET)),
            "importances": (differ, lambda: draw.plot_param_importances(study, **COST_TARGET)),
            "slices": (bool(complete), lambda: draw.plot_slice(study, **SCORE_TARGET)),
            "parallel_coordinates": (
                len(complete) > 1,
                lambda: draw.plot_parallel_coordinate(study, **SCORE_TARGET),
            ),
            "intermediate_values": (reported, lambda: draw.plot_intermediate_values(study)),
            "pareto_front": (
                handle.problem.second is not None and bool(complete),
                lambda: draw.plot_pareto_front(study, target_names=[SCORE, SECOND[handle.problem.second or ""]]),
            ),
        }
        return {name: make() for name, (possible, make) in wanted.items() if possible}
