"""A log of users of two tastes: an even user plays even songs, an odd one odd songs."""

import numpy as np
import pandas as pd

USERS, ITEMS, ROWS_A_USER = 60, 30, 12


def plays(user: str, song: str, at: str) -> pd.DataFrame:
    """Ids are text; the columns have these names."""
    rng = np.random.default_rng(0)
    rows = [
        (f"user-{listener:02}", f"song-{played:02}", 1_700_000_000 + place)
        for listener in range(USERS)
        for place, played in enumerate(rng.permutation(np.arange(listener % 2, ITEMS, 2))[:ROWS_A_USER])
    ]
    return pd.DataFrame(rows, columns=[user, song, at])
