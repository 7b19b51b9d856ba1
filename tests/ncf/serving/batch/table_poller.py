"""A reader of a table, for a process of its own; imports nothing heavy."""

from multiprocessing.synchronize import Event
from typing import Any

import numpy as np
import sqlalchemy as sa


def bits(score: float) -> float:
    """The float32 that a score is: PostgreSQL's driver gives the double nearest to its decimals."""
    return float(np.float32(score))


def poll(url: str, ready: Event, stop: Event, found: Any) -> None:
    """Look at all rows again and again, until told to stop; every different view of them is kept, and every error."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    seen: set[Any] = set()
    while not stop.is_set():
        try:
            with engine.connect() as connection:
                rows = connection.execute(sa.text("SELECT min(score), max(score), count(*) FROM lists"))
                least, most, number = rows.one()
                seen.add((bits(least), bits(most), number))
        except Exception as error:
            seen.add(str(error))
        ready.set()
    found.put(seen)
