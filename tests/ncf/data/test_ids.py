"""Ids are kept and given back with the type they had."""

import io
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest

from ncf.data.ids import decode_ids, encode_ids, from_json, id_bytes, kind_of, to_json
from ncf.data.interactions import to_interactions
from ncf.data.prepared import PreparedData
from ncf.data.ratings import Ratings
from ncf.data.splits import leave_one_out
from ncf.errors import DataError
from ncf.prepare import prepare_split
from tests.ncf.toy_data import IdValues, literal_data

ONE, TWO = UUID(int=1), UUID("ffffffff-0000-0000-0000-000000000002")
ITEMS = tuple(range(6))


def objects(*values: Any) -> Any:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


KINDS = [
    (np.array([3, 1, -7]), "int"),
    (np.array([3, 1], dtype=np.int32), "int"),
    (np.array([2**63], dtype=np.uint64), "int"),
    (np.array([], dtype=np.int64), "int"),
    (objects("a", "007", "zoë"), "str"),
    (np.array(["a", "b"]), "str"),
    (objects(), "str"),
    (objects(TWO, ONE), "uuid"),
]


@pytest.mark.parametrize(("ids", "kind"), KINDS)
def test_the_kind_of_ids(ids: Any, kind: str) -> None:
    assert kind_of(ids) == kind


@pytest.mark.parametrize(
    ("odd", "named"),
    [
        (np.array([1.5, 2.0]), "float"),
        (objects(True, False), "bool"),
        (objects(b"x" * 16), "bytes"),
        (objects(ONE, "a"), "str"),
        (objects(ONE, (1, 2)), "tuple"),
        (objects(ONE, None), "NoneType"),
        (np.array(["2024-01-01"], dtype="datetime64[us]"), "datetime"),
    ],
)
def test_other_types_and_mixtures_are_refused_with_their_name(odd: Any, named: str) -> None:
    with pytest.raises(DataError, match=rf"ids of type {named}\w* can't be kept.*allowed: integers.*or text, or UUIDs"):
        kind_of(odd)


@pytest.mark.parametrize(("ids", "kind"), KINDS)
def test_a_parquet_file_gives_ids_back_with_their_type(ids: Any, kind: str) -> None:
    file = io.BytesIO()
    pd.DataFrame({"id": encode_ids(ids)}).to_parquet(file)
    found = decode_ids(pd.read_parquet(file)["id"], kind)
    assert found.tolist() == ids.tolist()
    assert [type(value) for value in found.tolist()] == [type(value) for value in ids.tolist()]


@pytest.mark.parametrize(
    ("column", "kind"),
    [([1, 2], "str"), ([1.5], "int"), (["a"], "int"), (["a"], "uuid"), ([b"short"], "uuid"), ([1], "text")],
)
def test_a_column_of_another_kind_is_refused(column: list[Any], kind: str) -> None:
    with pytest.raises(ValueError, match=r"kind|16-char"):
        decode_ids(pd.Series(column, name="id"), kind)


def test_users_are_numbered_by_number_or_code_point() -> None:
    for ids in (np.array([10, 9, 2]), objects("10", "9", "é"), objects(TWO, ONE, UUID(int=2))):
        log = pd.DataFrame({"user_id": np.repeat(ids, 4), "item_id": [1, 2, 3, 4] * 3, "timestamp": range(12)})
        assert _prepared(log).user_ids.tolist() == sorted(ids)


def _prepared(log: pd.DataFrame) -> PreparedData:
    return prepare_split("log", leave_one_out(to_interactions(Ratings.from_frame(log))), num_candidates=2)


def test_fingerprints_of_a_number_its_text_and_its_uuid_differ() -> None:
    numbers = range(6)
    kinds: list[IdValues] = [ITEMS, [str(n) for n in numbers], [UUID(int=n) for n in numbers]]
    kinds.append([str(UUID(int=n)) for n in numbers])
    assert len({literal_data(item_ids=ids).fingerprint for ids in kinds}) == 4
    assert len({literal_data(user_ids=ids[:3]).fingerprint for ids in kinds}) == 4


def test_the_bytes_of_ids_tell_any_two_apart() -> None:
    arrays = [np.array([1, 2]), objects("1", "2"), objects("12"), objects("1", "", "2"), objects(ONE, TWO)]
    arrays += [objects(TWO, ONE), objects(str(ONE), str(TWO)), np.array([2, 1]), objects(ONE)]
    seen = {(given.dtype.str, given.shape, given.tobytes()) for given in map(id_bytes, arrays)}
    assert len(seen) == len(arrays)


def test_uuids_go_through_json_as_text() -> None:
    assert to_json(pd.Series([ONE, TWO])).tolist() == [str(ONE), str(TWO)]
    assert to_json(pd.Series([1, 2])).tolist() == [1, 2]
    assert from_json([str(ONE), "nobody", 7], "uuid") == [ONE, "nobody", 7]
    assert from_json([str(ONE), 7], "str") == [str(ONE), 7]
