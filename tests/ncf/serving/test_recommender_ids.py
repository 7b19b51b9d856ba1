"""Users and items by their ids, of whatever type; and the types of what comes back."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest

from ncf.data.prepared import PreparedData
from ncf.serving.recommender import Recommender
from tests.ncf.serving.bundles import bundle_of, every_kind_of_ids, some_data, with_text_ids, with_uuids
from tests.ncf.serving.naive_lists import naive, rows_of


def test_text_ids() -> None:
    bundle = bundle_of(with_text_ids(some_data()))
    users = ["user-243", "nobody", "user-003"]
    assert rows_of(Recommender(bundle).recommend(users, 3)) == naive(bundle, users, 3)


def test_uuids_come_and_go_as_uuids() -> None:
    bundle = bundle_of(with_uuids(some_data()))
    users = [UUID(int=243 << 64), UUID(int=5), UUID(int=3 << 64)]
    assert rows_of(Recommender(bundle).recommend(users, 3)) == naive(bundle, users, 3)
    assert isinstance(Recommender(bundle).recommend(users, 1)["item_id"][0], UUID)


def test_the_text_of_a_uuid_is_an_unknown_user_but_not_in_json() -> None:
    recommender = Recommender(bundle_of(with_uuids(some_data())))
    known = UUID(int=243 << 64)
    users = [str(known), str(known).upper(), "nobody", 243]
    assert recommender.recommend([str(known), known], 1)["source"].tolist() == ["popularity", "model"]
    answer = recommender.recommend_json(users, 1)
    assert answer["source"].tolist() == ["model", "model", "popularity", "popularity"]
    assert answer["user_id"].tolist() == [str(known), str(known), "nobody", 243]
    assert answer["item_id"].tolist() == [str(item) for item in recommender.recommend([known, known], 1)["item_id"]] + [
        str(item) for item in recommender.recommend(["nobody", 243], 1, allow_unknown=True)["item_id"]
    ]
    assert json.loads(answer.to_json(orient="records"))[0]["user_id"] == str(known)


@pytest.mark.parametrize("data", [some_data(), with_text_ids(some_data())], ids=["integer", "text"])
def test_integers_and_text_go_through_json_as_they_are(data: PreparedData) -> None:
    recommender = Recommender(bundle_of(data))
    users = [*data.user_ids.tolist(), "00000000-0000-0000-0000-000000000001"]
    pd.testing.assert_frame_equal(recommender.recommend_json(users, 3), recommender.recommend(users, 3))


@pytest.mark.parametrize("stranger", ["243", 243.5, None, (243,)])
def test_an_id_of_another_type_is_an_unknown_user(stranger: object) -> None:
    bundle = bundle_of(some_data())
    frame = Recommender(bundle).recommend([243, stranger], 1)
    assert frame["source"].tolist() == ["model", "popularity"]


@every_kind_of_ids
@pytest.mark.parametrize("form", [list, np.array], ids=["list", "array"])
def test_no_users_give_an_empty_frame_of_the_usual_columns_and_types(
    data: PreparedData, form: Callable[..., Any]
) -> None:
    recommender = Recommender(bundle_of(data))
    usual = recommender.recommend(data.user_ids.tolist(), 2)
    nobody = recommender.recommend(form([]), 2)
    assert len(nobody) == 0
    assert nobody.dtypes.to_dict() == usual.dtypes.to_dict()


def test_the_types_of_the_columns() -> None:
    frame = Recommender(bundle_of(some_data())).recommend([3, 13], 2)
    assert frame.dtypes.drop("source").to_dict() == {
        "user_id": np.int64,
        "item_id": np.int64,
        "rank": np.int64,
        "score": np.float32,
    }


@pytest.mark.parametrize("form", [tuple, np.array, pd.Series, pd.Index], ids=["tuple", "array", "series", "index"])
def test_users_may_come_in_any_sequence(form: Callable[..., Any]) -> None:
    recommender = Recommender(bundle_of(some_data()))
    pd.testing.assert_frame_equal(recommender.recommend(form([13, 3]), 3), recommender.recommend([13, 3], 3))
