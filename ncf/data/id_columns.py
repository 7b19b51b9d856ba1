"""Columns of outside ids in one of three forms: integers, text, uuid.UUID; each also as a categorical."""

from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
from pandas.api import types

LARGEST_FLOAT = 2.0**53  # beyond it a float no longer holds every whole number
LARGEST = 2**63 - 1


def as_ids(ids: "pd.Series[Any]") -> "pd.Series[Any]":
    """Ids in a form the rest of the house takes; integers that came as floats become integers again.

    What can't be an id is left as it came, for the checks to find. Integer, text and categorical columns are not
    copied.
    """
    if isinstance(ids.dtype, pd.CategoricalDtype):
        categories = pd.Series(ids.cat.categories)
        plain = as_ids(categories)
        if not np.all(are_ids(plain)):
            return ids.astype(object)  # so that the first odd row is found
        return ids if plain is categories else ids.cat.rename_categories(pd.Index(plain))
    if ids.dtype == object:
        ids = ids.infer_objects()
    if _is_extension_text(ids):
        return ids.astype("str")
    if types.is_float_dtype(ids.dtype) and not ids.hasnans and bool(_whole(ids).all()):
        return ids.astype("int64")
    if types.is_integer_dtype(ids.dtype) and not ids.hasnans and bool((ids <= LARGEST).all()):
        return ids if isinstance(ids.dtype, np.dtype) and ids.dtype != np.uint64 else ids.astype("int64")
    return ids


def are_ids(ids: "pd.Series[Any]") -> "pd.Series[bool] | bool":
    """bool[rows], or True for all: whether a value is an id of the kind of the first one; empty values pass."""
    if isinstance(ids.dtype, pd.CategoricalDtype):
        return _by_category(are_ids(pd.Series(ids.cat.categories)), ids, missing=True)
    if types.is_integer_dtype(ids.dtype):
        return ids <= LARGEST if ids.dtype == np.uint64 else True
    if isinstance(ids.dtype, pd.StringDtype):
        return True
    if types.is_float_dtype(ids.dtype):
        return _whole(ids) | ids.isna()
    if ids.dtype != object:
        return pd.Series(False, index=ids.index)
    return _of_one_kind(ids)


def are_not_empty(ids: "pd.Series[Any]") -> "pd.Series[bool] | bool":
    """bool[rows], or True for all: whether there is an id, and not only white space."""
    if isinstance(ids.dtype, pd.CategoricalDtype):
        return _by_category(are_not_empty(pd.Series(ids.cat.categories)), ids, missing=False)
    if isinstance(ids.dtype, np.dtype) and types.is_integer_dtype(ids.dtype):
        return True
    empty = ids.isna()
    if isinstance(ids.dtype, pd.StringDtype):
        empty |= (ids == "") | ids.str.isspace().astype(bool)
    elif ids.dtype == object:
        empty |= ids.map(lambda value: isinstance(value, str) and not value.strip())
    return ~empty


def _is_extension_text(ids: "pd.Series[Any]") -> bool:
    if isinstance(ids.dtype, pd.ArrowDtype):
        return ids.dtype.type is str or str(ids.dtype).startswith("dictionary<values=string")
    return isinstance(ids.dtype, pd.StringDtype) and ids.dtype.na_value is pd.NA  # not pandas' own str


def _of_one_kind(ids: "pd.Series[Any]") -> "pd.Series[bool]":
    kinds, known = ids.map(type), ids.notna()
    if not known.any():
        return ~known
    first = kinds[known].iloc[0]
    if not issubclass(first, UUID | str | int):
        return ~known
    too_large = ids.map(lambda value: isinstance(value, int) and abs(value) > LARGEST)
    return ~known | ((kinds == first) & ~too_large)


def _by_category(good: "pd.Series[bool] | bool", ids: "pd.Series[Any]", missing: bool) -> "pd.Series[bool] | bool":
    """What holds for the categories as what holds for the rows."""
    if isinstance(good, bool) and (missing or not ids.hasnans):
        return good
    of_category = np.full(len(ids.cat.categories), good) if isinstance(good, bool) else good.to_numpy(bool)
    return pd.Series(np.append(of_category, missing)[ids.cat.codes.to_numpy()], index=ids.index)


def _whole(numbers: "pd.Series[float]") -> "pd.Series[bool]":
    return ((numbers == np.floor(numbers)) & (numbers.abs() < LARGEST_FLOAT)).fillna(False).astype(bool)
