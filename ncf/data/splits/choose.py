"""The way to divide that is asked for, or that the log itself asks for."""

from dataclasses import replace

from ncf.data.config import SplitConfig
from ncf.data.interactions import Interactions
from ncf.data.split import Split
from ncf.data.splits.given import as_given
from ncf.data.splits.leave_one_out import leave_one_out
from ncf.data.splits.randomly import randomly
from ncf.data.splits.temporal import temporal


def split_interactions(interactions: Interactions, config: SplitConfig = SplitConfig()) -> Split:  # noqa: B008
    """Divide the interactions.

    A split that came with the log is kept, whatever the settings say; without times leave-one-out becomes random.
    Either is noted in the tally.

    Raises:
        DataError: nothing would be left to train on or to evaluate, or the log has no times for a temporal split.
    """
    if interactions.parts is not None:
        return as_given(_noted(interactions, config))
    if config.kind == "temporal":
        return temporal(interactions, config)
    if config.kind == "random":
        return randomly(interactions, config.seed)
    if interactions.times is None:
        note = f"the log has no times: the split is random, with seed {config.seed}, instead of leave-one-out"
        return randomly(replace(interactions, tally=interactions.tally.note(note)), config.seed)
    return leave_one_out(interactions)


def _noted(interactions: Interactions, config: SplitConfig) -> Interactions:
    """With a note if another split was asked for than the log's own."""
    if config.kind == "leave-one-out":  # nobody asked: it is the default
        return interactions
    note = f"the log brings its own split, which is kept; no {config.kind} one is made"
    return replace(interactions, tally=interactions.tally.note(note))
