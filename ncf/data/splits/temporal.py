"""Two moments divide the log: what a model would have known, and what came then."""

import numpy as np

from ncf.data.config import SplitConfig
from ncf.data.interactions import Indices, Interactions
from ncf.data.split import Split
from ncf.data.splits.masks import Mask, divided, first_of_each_user
from ncf.data.tally import Tally
from ncf.data.times import microseconds_of, shown, time_of
from ncf.errors import DataError


def temporal(interactions: Interactions, config: SplitConfig) -> Split:
    """Train on what was before `validation_from`.

    The validation is each user's first interaction from then on, the test the first from `test_from` on. What else
    is in these two spans goes to `other`: it may not be learned, and is no negative. So does a user who has nothing
    in train; items that are new in a holdout stay in it. Both are counted in the tally's notes.

    Raises:
        DataError: the log has no times, or train or a holdout is empty.
    """
    times, users = interactions.times, interactions.users
    if times is None or config.validation_from is None or config.test_from is None:
        raise DataError(
            "a temporal split needs the time of every interaction",
            allowed="a log with times",
            do="name the log's time column, or take the split leave-one-out or random",
        )
    moments = microseconds_of(config.validation_from), microseconds_of(config.test_from)
    middle, late = times >= moments[0], times >= moments[1]
    train = ~middle
    known: Mask = np.bincount(users[train], minlength=len(interactions.user_ids))[users] > 0
    validation = first_of_each_user(users, middle & ~late & known)
    test = first_of_each_user(users, late & known)
    for name, rows in (("train", train), ("validation", validation), ("test", test)):
        if not rows.any():
            raise _nothing_in(name, times, moments)
    tally = _noted(interactions, train, validation, test, middle & ~late & ~known, late & ~known)
    return divided(interactions, train, validation, test, tally=tally)


def _nothing_in(name: str, times: Indices, moments: tuple[int, int]) -> DataError:
    first, last, *chosen = (shown(time_of(int(time))) for time in (times.min(), times.max(), *moments))
    what = "the temporal split leaves nothing to train on" if name == "train" else f"nobody is in the {name} holdout"
    return DataError(
        f"{what}; validation_from and test_from are",
        got=" and ".join(chosen),
        allowed=f"times within the log, {first} to {last}, with users who are there before and after",
        do="move validation_from and test_from",
    )


def _noted(
    interactions: Interactions, train: Mask, validation: Mask, test: Mask, new_middle: Mask, new_late: Mask
) -> Tally:
    """The tally with what the split had to leave out or let in."""
    tally, users, items = interactions.tally, interactions.users, interactions.items
    trained = np.bincount(items[train], minlength=len(interactions.item_ids)) > 0
    for name, rows, new in (("validation", validation, new_middle), ("test", test, new_late)):
        if new.any():
            count = len(np.unique(users[new]))
            tally = tally.note(f"{name}: {count:,} users have nothing in train and are not evaluated")
        unknown = int((~trained[items[rows]]).sum())
        if unknown:
            tally = tally.note(f"{name}: {unknown:,} of {int(rows.sum()):,} held-out items are not in train")
    rest = int((~(train | validation | test)).sum())
    return tally.note(f"{rest:,} rows after validation_from are in no split; they are known, but not learned")
