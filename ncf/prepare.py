"""From a log to a prepared data set."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ncf.config import settings_of
from ncf.data import ITEM_ID, USER_ID, Indices
from ncf.data.config import DataConfig
from ncf.data.filters import FilteredLog, filter_ratings
from ncf.data.history import History
from ncf.data.ids import KnownIds
from ncf.data.interactions import Interactions, to_interactions
from ncf.data.prepared import Holdout, PreparedData, left_out_of
from ncf.data.ratings import Ratings
from ncf.data.split import Pairs, Split, concat_pairs
from ncf.data.splits import split_interactions
from ncf.errors import DataError
from ncf.ingest.config import SourceConfig
from ncf.ingest.engine import EngineConfig
from ncf.ingest.load import load_filtered
from ncf.sampling.sampler import UnseenItems, draw_candidates


def prepare_source(
    name: str,
    source: SourceConfig,
    config: DataConfig,
    cache: Path | None = None,
    database_url: str | None = None,
    engine: EngineConfig = EngineConfig(),  # noqa: B008 (frozen)
) -> PreparedData:
    """Read and check a log, and prepare it as `prepare_ratings` does.

    Args:
        name: the data set's name.
        source: where the log lies.
        config: the choices.
        cache: folder for downloads; `cache_dir()` if None.
        database_url: SQLAlchemy URL of a database, password included; None: the environment's or the settings'.
        engine: what reads and filters the log; the data set is the same with any.

    Raises:
        ConfigError: the URL of a database is missing or wrong, or the engine is not there or can't read this source.
        DataError: the log is not there, is not what it should be, or too little is left of it.
    """
    return prepare_ratings(
        load_filtered(source, config.filters, config.feedback, engine, cache, database_url), config, name=name
    )


def prepare_ratings(
    ratings: Ratings | FilteredLog,
    settings: DataConfig | Mapping[str, Any] = MappingProxyType({}),
    *,
    name: str = "ratings",
) -> PreparedData:
    """Filter a log, label and number its pairs, split it, and draw the candidates that held-out items are ranked with.

    Args:
        ratings: the checked log, from `load_ratings`; or what `load_filtered` has left of it with the same settings.
        settings: a DataConfig, or names and values: {"filters": {"min_per_user": 5}}.
        name: the data set's name; a model trained on it carries the name.

    Returns:
        What models see. Its `report` says what was read, dropped and kept: a notebook shows it as a table, and
        `report.text()` is for a terminal.

    Raises:
        ConfigError: a setting is unknown or impossible.
        DataError: too little is left to train on or to evaluate.
    """
    chosen = settings_of(DataConfig, settings)
    if isinstance(ratings, Ratings):
        ratings = FilteredLog(filter_ratings(ratings, chosen.filters, chosen.feedback), ratings.titles)
    log, titles = ratings.log, ratings.titles
    del ratings  # each stage is as large as the log: what is done with makes room, unless the caller holds it
    interactions, left_out = to_interactions(log, chosen.feedback), left_out_of(log)
    del log
    _refuse_unusable(interactions)
    split, history = split_interactions(interactions, chosen.split), History.of(interactions)
    del interactions
    own = titles.reindex(pd.Index(split.item_ids)).fillna("").to_numpy(dtype=object)
    if len(titles) and 2 * np.count_nonzero(own) < len(own):
        found = KnownIds(titles.index, split.item_ids, "the log")
        if not found.enough:
            split = replace(split, tally=split.tally.note(_few_titles(found)))
    prepared = prepare_split(
        name,
        split,
        own,
        num_candidates=chosen.num_candidates,
        candidate_seed=chosen.candidate_seed,
        history=history,
    )
    return replace(prepared, left_out=left_out)


def prepare_split(
    name: str,
    split: Split,
    titles: NDArray[Any] | None = None,
    *,
    num_candidates: int = 99,
    candidate_seed: int = 0,
    history: History | None = None,
) -> PreparedData:
    """Draw the candidates of the holdouts, except those that came with the split, and put the data set together.

    Args:
        name: the data set's name.
        split: indices and ids.
        titles: str[num_items] or None.
        num_candidates: items ranked beside each held-out one, where they are drawn.
        candidate_seed: the same seed and split give the same candidates on any machine.
        history: when the pairs came, if it is known.
    """
    generator = torch.Generator().manual_seed(candidate_seed)
    everything = concat_pairs((split.train, split.validation, split.test, split.other))
    unseen = UnseenItems.of(everything, len(split.user_ids), len(split.item_ids))

    def holdout(pairs: Pairs, given: Indices | None = None) -> Holdout:
        if given is not None:
            return Holdout(pairs, given)
        drawn = draw_candidates(unseen, torch.as_tensor(pairs.users), num_candidates, generator)
        return Holdout(pairs, drawn.numpy())

    return PreparedData(
        name,
        split.user_ids,
        split.item_ids,
        split.train,
        holdout(split.validation),
        holdout(split.test, split.candidates),
        np.full(len(split.item_ids), "", dtype=object) if titles is None else titles,
        split.labels,
        split.held_out_labels,
        split.other,
        history=history,
        tally=split.tally,
    )


def _refuse_unusable(interactions: Interactions) -> None:
    """Refuse a log with one user, one item, or nothing unobserved.

    Args:
        interactions: one for each pair that was kept.

    Raises:
        DataError: nothing could be told apart, or no unobserved pair is left to learn and to rank with.
    """
    users, items = len(interactions.user_ids), len(interactions.item_ids)
    if users == items == 1:
        [user], [item] = interactions.user_ids.tolist(), interactions.item_ids.tolist()
        pair = {USER_ID: user, ITEM_ID: item}
        raise DataError("all rows are the same pair", got=pair, allowed="at least 2 users and 2 items", do=_do("rows"))
    for what, ids in (("user", interactions.user_ids), ("item", interactions.item_ids)):
        if len(ids) == 1:
            raise DataError(
                f"all rows are of one {what}", got=ids.tolist()[0], allowed=f"at least 2 {what}s", do=_do(f"{what}s")
            )
    if len(interactions.users) >= users * items:
        raise DataError(
            "every user has every item, so no unobserved pair is left to learn from and to rank with; users and items",
            got=(users, items),
            allowed="at least one pair that did not happen",
            do="use a log with more items; for ratings of everything, set data.feedback.threshold to what counts as "
            "liked",
        )


def _few_titles(found: KnownIds) -> str:
    known, hints = int(found.is_known.sum()), found.hints()
    words = f"only {known:,}" if known else "none"
    are_same = f"are the ids the same?{f' The nearest ids of the log are {hints}' if hints else ''}"
    return (
        f"{words} of the {len(found.given):,} titles {'are' if known > 1 else 'is'} of an item of the log: {are_same}"
    )


def _do(what: str) -> str:
    return f"check that the right columns are read, and that filters (data.filters) leave more {what}"
