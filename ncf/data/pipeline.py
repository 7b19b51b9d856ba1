"""From a log to a prepared data set and its report."""

import pandas as pd

from ncf.data.config import DataConfig
from ncf.data.filters import filter_ratings
from ncf.data.interactions import to_interactions
from ncf.data.prepared import PreparedData, prepare
from ncf.data.ratings import Ratings
from ncf.data.report import DataReport
from ncf.data.splits.choose import split_interactions
from ncf.data.usable import refuse_unusable


def prepare_ratings(name: str, ratings: Ratings, config: DataConfig) -> tuple[PreparedData, DataReport]:
    """Filter, label, number, split, and draw the candidates.

    Args:
        name: the data set's name.
        ratings: the checked log.
        config: the choices.

    Raises:
        DataError: too little is left to train on or to evaluate.
    """
    kept, all_titles = filter_ratings(ratings, config.filters, config.feedback), ratings.titles
    del ratings  # each stage is as large as the log: what is done with makes room, unless the caller holds it
    interactions = to_interactions(kept, config.feedback)
    del kept
    refuse_unusable(interactions)
    split = split_interactions(interactions, config.split)
    del interactions
    titles = all_titles.reindex(pd.Index(split.item_ids)).fillna("").to_numpy(dtype=object)
    tally = split.tally
    if len(all_titles) and not titles.any():
        tally = tally.note(f"none of the {len(all_titles):,} titles is of an item of the log: are the ids the same?")
    data = prepare(name, split, titles, num_candidates=config.num_candidates, candidate_seed=config.candidate_seed)
    return data, DataReport.of(data, tally)
