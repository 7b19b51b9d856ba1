"""Ids as they come in, block by block, and the type that suits all of them."""

from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ncf.errors import DataError

NULLS = ("NULL", "null", "None", "NaN", "nan", "NA", "N/A", "<NA>", "\\N")  # as other programs write an empty value


class IdColumn:
    """Ids of a text column are integers if every one is written as an integer is: no leading zero, sign +, or space.

    One other makes all of them text, as they stood there: what was taken for integers so far is written back exactly.
    """

    def __init__(self) -> None:
        self._blocks: list[Any] = []
        self._text = False

    def add(self, block: Any, *, text: bool = False) -> None:
        """Take one Arrow array without nulls.

        Args:
            block: integers, or strings, of which the type is found out.
            text: the strings are known to be text, such as those of a Parquet file.
        """
        integers = block if pa.types.is_integer(block.type) else None if text else integers_of(block)
        if integers is None and not self._text:
            self._text = True
            self._blocks = [earlier.cast(pa.string()) for earlier in self._blocks]
        self._blocks.append(block.cast(pa.string()) if self._text else integers)

    def take(self) -> "pd.Series[Any]":
        """All of them, int64 or str; the column is empty afterwards."""
        values = pa.chunked_array(self._blocks, pa.string() if self._text else pa.int64())
        self._blocks = []
        return pd.Series(values.to_pandas() if self._text else values.to_numpy())


def integers_of(text: Any) -> Any | None:
    """int64 Arrow array of an array of strings without nulls, if each is the way its integer is written; else None."""
    try:
        integers = text.cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    return integers if _canonical(text) else None


def _canonical(text: Any) -> bool:
    """Whether each string, already known to be an integer, has neither a leading zero nor is -0 or 0x1f."""
    if len(text) == 0:
        return True
    _, offsets, data = text.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[text.offset : text.offset + len(text) + 1]
    letters = np.frombuffer(data, dtype=np.uint8)
    starts, lengths = ends[:-1], np.diff(ends)
    negative = letters[starts] == ord("-")
    first = letters[starts + negative]
    return bool((first != ord("0")).all() or (lengths[first == ord("0")] == 1).all())


def null_row(ids: "pd.Series[Any]") -> int | None:
    """The first row whose id says that there is none (NULL, NaN, ...), where all the others are integers; else None."""
    if pd.api.types.is_integer_dtype(ids):
        return None
    values = pa.array(ids, pa.string())
    null = pc.is_in(values, pa.array(NULLS))
    if not pc.any(null).as_py() or integers_of(values.filter(pc.invert(null))) is None:
        return None
    return int(pc.index(null, True).as_py())


def as_uuids(text: "pd.Series[str]") -> "pd.Series[Any]":
    """A column of UUIDs written as text, as uuid.UUID; a categorical, so that each is made once."""
    codes, written = pd.factorize(text)
    return pd.Series(pd.Categorical.from_codes(codes, pd.Index([UUID(value) for value in written], dtype=object)))


def whole_numbers(block: Any, where: str) -> Any:
    """int64 of a Parquet column of floats, which pandas makes of integers when one is missing.

    Raises:
        DataError: one is not whole, or too large to be exact.
    """
    numbers = block.to_numpy(zero_copy_only=False)
    bad = ~(np.isfinite(numbers) & (numbers == np.floor(numbers)) & (np.abs(numbers) < 2**53))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(f"{where} has an unusable id", got=numbers[row], allowed="integers or text", do="write it anew")
    return pa.array(numbers.astype(np.int64))
