"""How ids are kept: integers, text and UUIDs, each given back with the type it had."""

from typing import Any, Literal, TypeAlias, get_args
from uuid import UUID

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncf.data.interactions import Ids
from ncf.errors import DataError

IdKind: TypeAlias = Literal["int", "str", "uuid"]
KINDS: tuple[IdKind, ...] = get_args(IdKind)


def kind_of(ids: Ids) -> IdKind:
    """Which kind these ids are; no ids at all are text unless their dtype says integers.

    Raises:
        DataError: they are of another type, or of several.
    """
    if np.issubdtype(ids.dtype, np.integer):
        return "int"
    if pd.api.types.infer_dtype(ids, skipna=False) in ("string", "empty"):
        return "str"
    others = [value for value in ids if not isinstance(value, UUID)]
    if not others:
        return "uuid"
    raise DataError(
        f"ids of type {type(others[0]).__name__} can't be kept",
        got=others[0],
        allowed="integers of up to 64 bits, or text, or UUIDs, one type for all",
        do="convert the column of ids in the log",
    )


def id_bytes(ids: Ids) -> NDArray[Any]:
    """What a fingerprint sees of ids: an array whose dtype, shape and bytes differ wherever ids or their kind do."""
    match kind_of(ids):
        case "int":
            return ids.astype("<i8")
        case "uuid":
            return np.frombuffer(b"".join(value.bytes for value in ids), dtype="V16")
        case "str":
            encoded = [str(value).encode() for value in ids]
            text = b"".join(len(value).to_bytes(4, "little") + value for value in encoded)
            return np.frombuffer(text, dtype=np.uint8)


def encode_ids(ids: Ids) -> Ids:
    """Ids as a column of a Parquet file: UUIDs as their 16 bytes, others as they are."""
    return np.array([value.bytes for value in ids], dtype=object) if kind_of(ids) == "uuid" else ids


def decode_ids(column: "pd.Series[Any]", kind: object) -> Ids:
    """The ids that `encode_ids` made a column of.

    Args:
        column: as pandas reads it.
        kind: `kind_of` the ids when they were written.

    Raises:
        ValueError: the column has other values, or the kind is unknown.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind of ids {kind!r}, not one of {', '.join(KINDS)}")
    ids = column.to_numpy(copy=True)
    if kind == "uuid":
        ids = np.array([UUID(bytes=value) for value in ids], dtype=object)
    elif kind == "str":
        ids = ids.astype(object)
    if len(ids) and _kind_or_none(ids) != kind:
        raise ValueError(f"the column {column.name} has no ids of kind {kind}, but {column.dtype}")
    return ids


def from_json(values: list[Any], kind: IdKind) -> list[Any]:
    """Ids that came through JSON, which writes UUIDs as text; what is no UUID stays as it is, an unknown id."""
    return [_uuid_or_same(value) for value in values] if kind == "uuid" else values


def to_json(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """A column of ids with UUIDs as text, for JSON; others as they are."""
    if column.dtype != object:
        return column
    return column.map(lambda value: str(value) if isinstance(value, UUID) else value)


def _uuid_or_same(value: Any) -> Any:
    try:
        return UUID(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _kind_or_none(ids: Ids) -> IdKind | None:
    try:
        return kind_of(ids)
    except DataError:
        return None
