"""How interactions are split: leave-one-out, at random, by time, or as the log brings it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from ncf.data import TEST, TRAIN, VALIDATION, Indices
from ncf.data.config import SplitConfig
from ncf.data.interactions import Interactions
from ncf.data.ratings import Tally
from ncf.data.split import Mask, Split, first_of_each_user, last_of_each_user, rows_of_evaluable_users, split_rows
from ncf.data.times import microseconds_of, shown, time_of
from ncf.errors import DataError
from ncf.splitmix import derived_seed, random_bits

PURPOSE = 0x5B1177  # keeps these random numbers apart from those of other uses of the same seed


def split_interactions(interactions: Interactions, config: SplitConfig = SplitConfig()) -> Split:  # noqa: B008
    """Divide the interactions.

    A split that came with the log is kept, whatever the settings say; without times leave-one-out becomes random.
    Either is noted in the tally.

    Raises:
        DataError: nothing would be left to train on or to evaluate, or the log has no times for a temporal split.
    """
    if interactions.splits is not None:
        return given_split(_note_kept_split(interactions, config), config.seed)
    if config.kind == "temporal":
        return temporal_split(interactions, config)
    if config.kind == "random":
        return random_split(interactions, config.seed)
    if interactions.times is None:
        note = f"the log has no times: the split is random, with seed {config.seed}, instead of leave-one-out"
        return random_split(replace(interactions, tally=interactions.tally.note(note)), config.seed)
    return leave_one_out(interactions)


def _note_kept_split(interactions: Interactions, config: SplitConfig) -> Interactions:
    """With a note if another split was asked for than the log's own."""
    if config.kind == "leave-one-out":  # nobody asked: it is the default
        return interactions
    note = f"the log brings its own split, which is kept; no {config.kind} one is made"
    return replace(interactions, tally=interactions.tally.note(note))


def leave_one_out(interactions: Interactions) -> Split:
    """Hold out each user's newest interaction as test and the one before it as validation (He et al., section 4.1).

    Users with fewer than 3 interactions stay in train only. Without times, what comes later in the log is the newer.

    Raises:
        DataError: no user has enough interactions, so that nothing could be evaluated.
    """
    enough = rows_of_evaluable_users(interactions)
    test = last_of_each_user(interactions.users, enough)
    validation = last_of_each_user(interactions.users, enough & ~test)
    return split_rows(interactions, ~(test | validation), validation, test)


def random_split(interactions: Interactions, seed: int) -> Split:
    """Hold out one interaction of each user as test and another as validation, any being equally likely.

    Users with fewer than 3 interactions stay in train only. Which are held out follows from the seed and the user's
    pairs alone, whatever the order of the rows in the log and what else is in it. Without times, train is sorted by
    user and item.

    Raises:
        DataError: no user has enough interactions, so that nothing could be evaluated.
    """
    if interactions.times is None:
        interactions = _by_item(interactions)
    enough = rows_of_evaluable_users(interactions)
    order = _random_order(interactions, seed)
    test, validation = enough & (order == 0), enough & (order == 1)
    return split_rows(interactions, ~(test | validation), validation, test)


def _by_item(interactions: Interactions) -> Interactions:
    order = np.lexsort((interactions.items, interactions.users))
    labels = None if interactions.labels is None else interactions.labels[order]
    return replace(interactions, users=interactions.users[order], items=interactions.items[order], labels=labels)


def _random_order(interactions: Interactions, seed: int) -> Indices:
    """Rank of each interaction among its user's in random order, from 0: int64[N].

    The order of two pairs depends on their ids alone, so a log that has grown holds out what it held out before, or
    something new: never what a champion has learned.
    """
    users = interactions.users
    of_users, of_items = (
        pd.util.hash_array(np.asarray(ids)).view(np.int64) for ids in (interactions.user_ids, interactions.item_ids)
    )
    numbers = torch.from_numpy(of_users[users] + of_items[interactions.items])
    order = np.lexsort((random_bits(derived_seed(seed, PURPOSE), numbers).numpy(), users))
    starts: Mask = np.diff(users, prepend=-1) > 0
    first = np.flatnonzero(starts)[np.cumsum(starts) - 1]
    ranks = np.empty(len(users), dtype=np.int64)
    ranks[order] = np.arange(len(users)) - first
    return ranks


def temporal_split(interactions: Interactions, config: SplitConfig) -> Split:
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
    tally = _note_left_out(interactions, train, validation, test, middle & ~late & ~known, late & ~known)
    return split_rows(interactions, train, validation, test, tally=tally)


def _nothing_in(name: str, times: Indices, moments: tuple[int, int]) -> DataError:
    first, last, *chosen = (shown(time_of(int(time))) for time in (times.min(), times.max(), *moments))
    what = "the temporal split leaves nothing to train on" if name == "train" else f"nobody is in the {name} holdout"
    return DataError(
        f"{what}; validation_from and test_from are",
        got=" and ".join(chosen),
        allowed=f"times within the log, {first} to {last}, with users who are there before and after",
        do="move validation_from and test_from",
    )


def _note_left_out(
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


def given_split(interactions: Interactions, seed: int = 0) -> Split:
    """Keep the splits that came with the log.

    A user with several rows in a holdout is evaluated on the first of them (the oldest; without times the first in
    the file); the others go to `other`. Without a validation part, each user's newest train interaction becomes it, if
    another stays in train; without times a random one, since the last rows of a file that is sorted by item or by
    count are unlike the test items. Both are noted in the tally.

    Args:
        interactions: with splits.
        seed: of that choice.

    Raises:
        DataError: train or test is empty, a held-out user has nothing in train, or candidates are missing for one.
    """
    splits = interactions.splits
    assert splits is not None, "the log brings no split of its own"
    train = splits == TRAIN
    test, tally = _one_each(interactions, splits == TEST, "test", interactions.tally)
    for name, rows in (("train", train), ("test", test)):
        if not rows.any():
            raise DataError(
                f"the log's own split has no {name} row left",
                allowed="at least one in train and one in test",
                do="check the files of the split, and whether the filters leave anything of it",
            )
    validation, tally = _one_each(interactions, splits == VALIDATION, "validation", tally)
    if not validation.any():
        validation, tally = _validation_of_train(interactions, train, seed, tally)
        train = train & ~validation
    for name, rows in (("validation", validation), ("test", test)):
        _refuse_strangers(interactions, train, rows, name)
    candidates, tally = _candidates(interactions, test, tally)
    return split_rows(interactions, train, validation, test, tally=tally, candidates=candidates)


def _validation_of_train(interactions: Interactions, train: Mask, seed: int, tally: Tally) -> tuple[Mask, Tally]:
    users = interactions.users
    spare = train & (np.bincount(users[train], minlength=len(interactions.user_ids))[users] > 1)
    if interactions.times is not None:
        rows, which = last_of_each_user(users, spare), "each user's newest interaction of train"
    else:
        order = np.lexsort((_random_order(interactions, seed), users))
        order = order[spare[order]]
        rows, which = (
            np.zeros(len(users), dtype=bool),
            f"any one of each user's train interactions, drawn with seed {seed}",
        )
        rows[order[np.diff(users[order], prepend=-1) > 0]] = True
    if not rows.any():
        raise DataError(
            "the log's own split has no validation, and no user can spare a row of train for it",
            allowed="two train rows for one user or more",
            do="bring a validation split too, or a longer log",
        )
    return rows, tally.note(f"the log's split has no validation: it is {which}")


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
