"""Outside ids in one of three forms: int64 (or a smaller integer), text, uuid.UUID."""

from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
from pandas.api import types

LARGEST_FLOAT = 2.0**53  # beyond it a float no longer holds every whole number
LARGEST = 2**63 - 1


def as_ids(ids: "pd.Series[Any]") -> "pd.Series[Any]":
    """Ids in a form the rest of the house takes; integers that came as floats become integers again.

    What can't be an id is left as it came, for `are_ids` to find. Integer and text columns are not copied.
    """
    if isinstance(ids.dtype, pd.CategoricalDtype):
        values = ids.cat.categories.dtype
        ids = ids.astype(object if ids.hasnans and not types.is_string_dtype(values) else values)
    if ids.dtype == object:
        ids = ids.infer_objects()
    if isinstance(ids.dtype, pd.ArrowDtype | pd.StringDtype) and types.is_string_dtype(ids.dtype):
        return ids.astype("str")
    if types.is_float_dtype(ids.dtype) and not ids.hasnans and bool(_whole(ids).all()):
        return ids.astype("int64")
    if types.is_integer_dtype(ids.dtype) and not ids.hasnans and bool((ids <= LARGEST).all()):
        return ids if isinstance(ids.dtype, np.dtype) and ids.dtype != np.uint64 else ids.astype("int64")
    return ids


def are_ids(ids: "pd.Series[Any]") -> "pd.Series[bool] | bool":
    """bool[rows], or True for all: whether a value is an id of the kind of the first one; empty values pass."""
    if types.is_integer_dtype(ids.dtype):
        return True if ids.dtype != np.uint64 else ids <= LARGEST
    if isinstance(ids.dtype, pd.StringDtype):
        return True
    if types.is_float_dtype(ids.dtype):
        return _whole(ids) | ids.isna()
    if ids.dtype != object:
        return pd.Series(False, index=ids.index)
    kinds, known = ids.map(type), ids.notna()
    first = kinds[known].iloc[0] if known.any() else None
    alike = kinds == first if first is not None and issubclass(first, UUID | str | int) else known & False
    too_large = ids.map(lambda value: isinstance(value, int) and abs(value) > LARGEST)
    return (alike & ~too_large) | ~known


def are_not_empty(ids: "pd.Series[Any]") -> "pd.Series[bool] | bool":
    """bool[rows], or True for all: whether there is an id, and not only white space."""
    if isinstance(ids.dtype, np.dtype) and types.is_integer_dtype(ids.dtype):
        return True
    empty = ids.isna()
    if isinstance(ids.dtype, pd.StringDtype):
        empty |= (ids == "") | ids.str.isspace().astype(bool)
    elif ids.dtype == object:
        empty |= ids.map(lambda value: isinstance(value, str) and not value.strip())
    return ~empty


def _whole(numbers: "pd.Series[float]") -> "pd.Series[bool]":
    return ((numbers == np.floor(numbers)) & (numbers.abs() < LARGEST_FLOAT)).fillna(False).astype(bool)
