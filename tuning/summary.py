"""What a study has found so far."""

from collections.abc import Mapping
from dataclasses import dataclass

from tuning.observer import Recipe, State, TrialOutcome
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
        running: trials that run now.
    """

    outcomes: tuple[TrialOutcome, ...]
    best: TrialOutcome | None
    recipe: Recipe | None
    default: TrialOutcome | None
    pareto: tuple[TrialOutcome, ...]
    minutes: float
    states: Mapping[State, int]
    running: int


def summarise(handle: StudyHandle) -> StudySummary:
    """Read the study.

    Raises:
        StudyError: the database failed.
    """
    raise NotImplementedError
