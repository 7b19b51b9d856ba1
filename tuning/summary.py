"""What a study has found so far."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from tuning.minutes import minutes_used
from tuning.observer import Recipe, State, TrialOutcome
from tuning.records import BASE, QUEUED, interval_of, outcome_of, places
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
