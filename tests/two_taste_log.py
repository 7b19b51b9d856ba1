"""A log of users of two tastes: an even user takes even items, an odd one odd items."""

import numpy as np
import pandas as pd


def two_taste_log(users: int, items: int, rows_per_user: int, seed: int = 0) -> pd.DataFrame:
    """user_id, item_id and timestamp in seconds, all int64; the seed decides which items, and in which order."""
    rng = np.random.default_rng(seed)
    rows = [
        (user, item, 1_700_000_000 + index)
        for user in range(users)
        for index, item in enumerate(rng.permutation(np.arange(user % 2, items, 2))[:rows_per_user])
    ]
    return pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])


LISTENERS, SONGS, ROWS_EACH = 60, 30, 12


def song_log(user: str = "listener", song: str = "song", at: str = "at") -> pd.DataFrame:
    """The same with ids of text, in columns of these names."""
    log = two_taste_log(LISTENERS, SONGS, ROWS_EACH)
    users, songs = log["user_id"].map("user-{:02}".format), log["item_id"].map("song-{:02}".format)
    return pd.DataFrame({user: users, song: songs, at: log["timestamp"]})
