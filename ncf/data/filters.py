"""Which rows of a log are left out: the settings of `FilterConfig`, in their order."""

from dataclasses import replace

import numpy as np

from ncf.data.config import FilterConfig
from ncf.data.ratings import ITEM_ID, TIMESTAMP, USER_ID, Ratings


def filter_ratings(ratings: Ratings, filters: FilterConfig) -> Ratings:
    """The rows that are kept, in their order, one for each pair; what was dropped is in the tally."""
    frame, tally = ratings.frame, ratings.tally
    newest = frame.sort_values(TIMESTAMP, kind="stable").drop_duplicates([USER_ID, ITEM_ID], keep="last").index
    keep = np.zeros(len(frame), dtype=bool)
    keep[newest] = True
    tally = replace(tally, repeated_pairs=int((~keep).sum())).drop("repeated pair", int((~keep).sum()))
    if filters.max_users is not None:
        users = np.sort(frame[USER_ID].unique())[: filters.max_users]
        wanted = frame[USER_ID].isin(users).to_numpy()
        tally = tally.drop("beyond max_users", int((keep & ~wanted).sum()))
        keep &= wanted
    parts = None if ratings.parts is None else ratings.parts[keep]
    return replace(ratings, frame=frame[keep].reset_index(drop=True), parts=parts, tally=tally)
