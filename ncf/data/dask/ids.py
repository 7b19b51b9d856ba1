"""The ids of a whole log: found once, and looked up by every worker in files, of which a little is in memory."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import ipc, parquet

from ncf.data.dask.pieces import OCCURS

AT_LEAST = 1_000_000  # ids that wait before they are counted together
BATCH = 500_000  # ids that a worker has in memory at once


@dataclass(frozen=True)
class FoundIds:
    """All ids of one column.

    Attributes:
        ids: sorted; position = code.
        occurs: int64[len(ids)]: rows of each.
        path: the file of the same, for `codes_of`.
    """

    ids: NDArray[Any]
    occurs: NDArray[np.int64]
    path: Path


def find_ids(files: Iterable[Path], role: str, path: Path, *, text: bool, uuids: bool) -> FoundIds:
    """Put the ids of all pieces together.

    Args:
        files: of the ids of the pieces.
        role: their column.
        path: where to write them, without an ending.
        text: whether they are text; else integers.
        uuids: whether the text is that of UUIDs.
    """
    kind = pa.string() if text else pa.int64()
    known = pa.table({role: pa.array([], kind), OCCURS: pa.array([], pa.int64())})
    waiting: list[Any] = []
    for file in files:
        found = parquet.read_table(file)
        waiting.append(found.set_column(0, role, found[role].cast(kind)).cast(known.schema))
        if sum(map(len, waiting)) > max(AT_LEAST, len(known)):
            known, waiting = _counted([known, *waiting], role), []
    known = _counted([known, *waiting], role)
    known = known.take(pc.sort_indices(known[role]))
    occurs = known[OCCURS].to_numpy()
    if not text:
        integers = known[role].to_numpy()
        np.save(path.with_suffix(".npy"), integers)
        return FoundIds(integers, occurs, path.with_suffix(".npy"))
    with ipc.new_file(path.with_suffix(".arrow"), pa.schema([(role, kind)])) as out:
        out.write_table(known.select([role]), max_chunksize=BATCH)
    words = known[role].to_numpy()
    ids = np.array([UUID(word) for word in words], dtype=object) if uuids else words
    return FoundIds(ids, occurs, path.with_suffix(".arrow"))


def _counted(tables: list[Any], role: str) -> Any:
    counted = pa.concat_tables(tables).group_by(role).aggregate([(OCCURS, "sum")])
    return counted.select([role, f"{OCCURS}_sum"]).rename_columns([role, OCCURS])


def codes_of(ids: Any, path: Path) -> NDArray[np.int32]:
    """The codes of an Arrow column of ids, all of which are in the file."""
    encoded = ids.combine_chunks().dictionary_encode()
    different = encoded.dictionary
    if path.suffix == ".npy":
        codes = np.searchsorted(np.load(path, mmap_mode="r"), different.to_numpy())
    else:
        codes = _codes_of_text(different, path)
    rows: NDArray[np.int32] = codes.astype(np.int32)[encoded.indices.to_numpy()]
    return rows


def _codes_of_text(different: Any, path: Path) -> NDArray[np.int64]:
    codes = np.empty(len(different), dtype=np.int64)
    begin = 0
    with pa.memory_map(str(path)) as source:
        batches = ipc.open_file(source)
        for number in range(batches.num_record_batches):
            batch = batches.get_batch(number).column(0)
            places = pc.index_in(different, value_set=batch)
            found = places.is_valid().to_numpy(zero_copy_only=False)
            codes[found] = begin + places.drop_null().to_numpy()
            begin += len(batch)
    return codes
