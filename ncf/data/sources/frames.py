"""A log that is a DataFrame already."""

from dataclasses import replace

import pandas as pd
from pydantic import Field

from ncf.config import Settings
from ncf.data.ratings import ITEM_ID, TITLE, Ratings
from ncf.data.sources.config import Columns, TimeUnit
from ncf.data.sources.naming import by_role, find_columns

WHERE = "the DataFrame"


class FrameSettings(Settings):
    """How a DataFrame is read."""

    columns: Columns = Columns()
    time_unit: TimeUnit = Field(default="auto", description="auto tells s, ms, us, ns and ISO 8601 by the values")


def load_frame(frame: pd.DataFrame, settings: FrameSettings = FrameSettings()) -> Ratings:  # noqa: B008 (frozen)
    """Check a log; the frame is left as it is, and columns that are not wanted are passed over.

    Args:
        frame: one row an interaction; a column `title` has the items' titles.
        settings: what it calls its columns, and the unit of its times.

    Raises:
        DataError: a column is missing, or has a value that is empty, not a number, no time, or out of range.
    """
    wanted = by_role(settings.columns)
    names = [str(name) for name in frame.columns]
    places = find_columns(names, wanted, WHERE)
    log = frame.iloc[:, list(places.values())].set_axis(list(places), axis=1)
    titles = frame[TITLE].set_axis(pd.Index(log[ITEM_ID])).astype("str") if names.count(TITLE) == 1 else None
    ratings = Ratings.from_frame(log, titles, time_unit=settings.time_unit)
    taken = [f"{names[place]} as {role}" for role, place in places.items() if wanted[role] != names[place] != role]
    return replace(ratings, tally=ratings.tally.note(f"columns taken: {', '.join(taken)}")) if taken else ratings
