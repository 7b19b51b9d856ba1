"""From an interaction log to a prepared data set, and its negatives."""

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

USER_ID, ITEM_ID, RATING, TIMESTAMP, TITLE = "user_id", "item_id", "rating", "timestamp", "title"
COLUMNS = (USER_ID, ITEM_ID, RATING, TIMESTAMP)
LIKED = "liked"  # whether a pair that was left out would have counted as an interaction
TRAIN, VALIDATION, TEST = 0, 1, 2  # the codes of a split that a source brings
TimeUnit: TypeAlias = Literal["auto", "s", "ms", "us", "ns", "iso", "d", "excel", "ticks", "filetime", "webkit"]

Ids: TypeAlias = NDArray[Any]
Indices: TypeAlias = NDArray[np.int64]
