"""The split, and perhaps the candidates, that came with the log."""

import numpy as np
import pandas as pd

from ncf.data.interactions import Indices, Interactions
from ncf.data.ratings import TEST, TRAIN, VALIDATION
from ncf.data.split import Split
from ncf.data.splits.masks import Mask, divided, first_of_each_user, last_of_each_user
from ncf.data.tally import Tally
from ncf.errors import DataError


def as_given(interactions: Interactions) -> Split:
    """Take the parts as they are.

    A user with several rows in a holdout is evaluated on the first of them (the oldest; without times the first in
    the file); the others go to `other`. Without a validation part, each user's newest train interaction (without
    times the last row) becomes it, if another stays in train. Both are noted in the tally.

    Raises:
        DataError: train or test is empty, a held-out user has nothing in train, or candidates are missing for one.
    """
    parts = interactions.parts
    assert parts is not None, "the log brings no split of its own"
    train = parts == TRAIN
    test, tally = _one_each(interactions, parts == TEST, "test", interactions.tally)
    for name, rows in (("train", train), ("test", test)):
        if not rows.any():
            raise DataError(
                f"the log's own split has no {name} row left",
                allowed="at least one in train and one in test",
                do="check the files of the split, and whether the filters leave anything of it",
            )
    validation, tally = _one_each(interactions, parts == VALIDATION, "validation", tally)
    if not validation.any():
        validation, tally = _newest_of_train(interactions, train, tally)
        train = train & ~validation
    for name, rows in (("validation", validation), ("test", test)):
        _refuse_strangers(interactions, train, rows, name)
    candidates, tally = _candidates(interactions, test, tally)
    return divided(interactions, train, validation, test, tally=tally, candidates=candidates)


def _newest_of_train(interactions: Interactions, train: Mask, tally: Tally) -> tuple[Mask, Tally]:
    counts = np.bincount(interactions.users[train], minlength=len(interactions.user_ids))
    rows = last_of_each_user(interactions.users, train & (counts[interactions.users] > 1))
    if not rows.any():
        raise DataError(
            "the log's own split has no validation, and no user can spare a row of train for it",
            allowed="two train rows for one user or more",
            do="bring a validation split too, or a longer log",
        )
    newest = "last" if interactions.times is None else "newest"
    return rows, tally.note(f"the log's split has no validation: it is each user's {newest} interaction of train")


def _one_each(interactions: Interactions, rows: Mask, name: str, tally: Tally) -> tuple[Mask, Tally]:
    first = first_of_each_user(interactions.users, rows)
    more = int(rows.sum() - first.sum())
    if more:
        which = "oldest" if interactions.times is not None else "first"
        tally = tally.note(f"{name}: of several rows of a user the {which} counts; {more:,} others are not evaluated")
    return first, tally


def _refuse_strangers(interactions: Interactions, train: Mask, rows: Mask, name: str) -> None:
    users = np.setdiff1d(interactions.users[rows], interactions.users[train])
    if len(users):
        raise DataError(
            f"a user of the {name} split has nothing in train",
            got=interactions.user_ids[users[0]],
            allowed="users with a train interaction",
            do=f"remove the {len(users):,} such users from the {name} split",
        )


def _candidates(interactions: Interactions, test: Mask, tally: Tally) -> tuple[Indices | None, Tally]:
    """Rows of candidates in the order of the test holdout, -1 at the end of the short ones: int64[len(test), C]."""
    if interactions.candidates is None:
        return None, tally
    users, items = interactions.users[test], interactions.items[test]
    owner, offered = interactions.candidates.T
    row = pd.Index(users).get_indexer(pd.Index(owner))
    itself = (row >= 0) & (offered == items[row])
    if itself.any():
        text = "users have their held-out item among their candidates; it is left out there"
        tally = tally.note(f"test: {len(np.unique(row[itself])):,} {text}")
    keep = (row >= 0) & ~itself
    row, offered = row[keep], offered[keep]
    order = np.argsort(row, kind="stable")
    row, offered = row[order], offered[order]
    counts = np.bincount(row, minlength=len(users))
    if (counts == 0).any():
        raise DataError(
            "a user of the test split has no candidates",
            got=interactions.user_ids[users[counts == 0][0]],
            allowed="candidates for every user of the test split",
            do="complete the file of the candidates",
        )
    table = np.full((len(users), int(counts.max())), -1, dtype=np.int64)
    table[row, np.arange(len(row)) - (np.cumsum(counts) - counts)[row]] = offered
    return table, tally
