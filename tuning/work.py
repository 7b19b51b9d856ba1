"""A worker: takes one trial after the other until the study's budget is used up."""

from tuning.config import BudgetConfig
from tuning.observer import Observer
from tuning.study import StudyHandle


def run_trials(handle: StudyHandle, budget: BudgetConfig, observer: Observer | None = None) -> None:
    """Run trials until the budget is used up; any number of processes and machines may do so on one study.

    Workers of one machine never start more than the budget; workers of several machines may start at most one more
    for each machine but the first, if they ask in the same moment.

    A trial whose process died is queued again with the same values, until it has died 3 times. It is found at the
    beginning, before each trial and at the end: at once if the process was of this machine, else when it has given no
    sign of life for `grace_seconds`. Ctrl-C queues the running trial again at once. A trial that fails is recorded
    with its reason, and the study goes on.

    Args:
        handle: the open study.
        budget: of the whole study, not of this worker.
        observer: is told of this worker's trials.

    Raises:
        ModelError: the first 3 trials (or all of a smaller budget) failed; the message has the reason.
        StudyError: the database failed. The same call goes on once it works again.
    """
    raise NotImplementedError


def unfinished(handle: StudyHandle) -> bool:
    """Whether trials run elsewhere, or did until their process died: call `run_trials` again to take these over."""
    raise NotImplementedError
