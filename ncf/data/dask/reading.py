"""From wherever a log lies to pieces of it; no more than one block is in memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from ncf.data.columns import USER_ID
from ncf.data.dask.pieces import Piece, write_piece
from ncf.data.faults import row_of
from ncf.ingest.locations import File
from ncf.ingest.tables import Table


@dataclass(frozen=True)
class Stretch:
    """Rows that were read one after the other from one place, as pieces.

    Attributes:
        source: a file, or the name of a database's table.
        part: TRAIN, VALIDATION or TEST of a split that the log brings, or TRAIN.
        pieces: in order; none for an empty file.
    """

    source: tuple[Table, File] | str
    part: int
    pieces: list[Piece]

    @property
    def rows(self) -> int:
        """How many."""
        return sum(piece.rows for piece in self.pieces)

    def place_of(self, row: int) -> str:
        """In words, where a row stands, from 0."""
        if isinstance(self.source, str):
            return row_of(self.source, row)
        table, file = self.source
        return table.place_of(file, row)


def read_stretch(
    number: int, table: Table, file: File, part: int, integer_times: bool, folder: Path, most_rows: int
) -> Stretch:
    """Read one file; done by a worker.

    Args:
        number: of the file, for the names of the pieces.
        table: that the file is of.
        file: which.
        part: see `Stretch`.
        integer_times: as `Table.blocks` takes it.
        folder: for the pieces.
        most_rows: of a piece.

    Raises:
        DataError: the file is not what it should be.
        NotAllIntegersError: times that begin as integers go on as other numbers.
    """
    pieces: list[Piece] = []
    for block in joined(table.blocks(file, integer_times=integer_times, small=True), most_rows):
        path = folder / f"{number:06}-{len(pieces):06}.parquet"
        pieces.append(write_piece(path, block, typed=table.typed))
    return Stretch((table, file), part, pieces)


def joined(blocks: Iterable[dict[str, Any]], most_rows: int) -> Iterator[dict[str, Any]]:
    """Blocks cut and put together to nearly so many rows each, and never more."""
    waiting: list[dict[str, Any]] = []
    rows = 0
    for block in blocks:
        for begin in range(0, len(block[USER_ID]), most_rows):
            slim = {role: values.slice(begin, most_rows) for role, values in block.items()}
            if rows + len(slim[USER_ID]) > most_rows:
                yield _concatenated(waiting)
                waiting, rows = [], 0
            waiting.append(slim)
            rows += len(slim[USER_ID])
    if waiting:
        yield _concatenated(waiting)


def _concatenated(blocks: list[dict[str, Any]]) -> dict[str, Any]:
    return {role: pa.concat_arrays([block[role] for block in blocks]) for role in blocks[0]}
