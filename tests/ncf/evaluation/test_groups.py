from itertools import pairwise

import numpy as np
import pytest

from ncf.data.prepared import PreparedData
from ncf.evaluation.evaluate import group_table, quantile_groups
from ncf.evaluation.metrics import Values
from tests.ncf.toy_data import random_data


@pytest.mark.parametrize(
    ("counts", "parts", "groups"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 8], 4, [0, 0, 1, 1, 2, 2, 3, 3]),
        ([8, 1, 7, 2], 2, [1, 0, 1, 0]),
        ([5, 5, 5, 5], 4, [0, 0, 0, 0]),  # equal values stay together
        ([1, 1, 1, 9], 4, [0, 0, 0, 1]),
        ([1, 1, 1, 1, 1, 2, 3, 4], 4, [0, 0, 0, 0, 0, 1, 2, 2]),
        ([7], 4, [0]),
        ([0, 10**9], 4, [0, 1]),
    ],
)
def test_quantile_groups(counts: list[int], parts: int, groups: list[int]) -> None:
    assert quantile_groups(np.array(counts), parts).tolist() == groups


@pytest.mark.parametrize("highest", [3, 30, 10**6])
def test_groups_are_ordered_disjoint_and_none_is_empty(highest: int, rng: np.random.Generator) -> None:
    counts = rng.integers(0, highest, size=500)
    groups = quantile_groups(counts, 4)
    present = np.unique(groups)
    assert present.tolist() == list(range(len(present)))
    for lower, upper in pairwise(present):
        assert counts[groups == lower].max() < counts[groups == upper].min()
    if highest == 10**6:
        assert np.bincount(groups).tolist() == [125, 125, 125, 125]


def test_the_table_by_hand(literal: PreparedData) -> None:
    # train: users 0 and 1 have two interactions each; test items 3 and 4 have one and none
    table = group_table({"full/hr_at_10": np.array([1.0, 0.0])}, literal, "test")
    assert table.drop(columns="full/hr_at_10_ci95").to_dict("records") == [
        {"grouped_by": "user_activity", "group": 1, "from": 2, "to": 2, "users": 2, "full/hr_at_10": 0.5},
        {"grouped_by": "item_popularity", "group": 1, "from": 0, "to": 0, "users": 1, "full/hr_at_10": 0.0},
        {"grouped_by": "item_popularity", "group": 2, "from": 1, "to": 1, "users": 1, "full/hr_at_10": 1.0},
    ]
    assert table["full/hr_at_10_ci95"].tolist() == pytest.approx([0.405469, np.inf, np.inf], abs=1e-6), (
        "Wilson's, of 1 in 2"
    )


def test_the_other_holdout_has_groups_of_its_own(literal: PreparedData) -> None:
    # validation items 2 and 1 have one train interaction each
    table = group_table({"x": np.array([1.0, 0.0])}, literal, "validation")
    popularity = table[table["grouped_by"] == "item_popularity"]
    assert popularity[["from", "to", "users"]].to_numpy().tolist() == [[1, 1, 2]]


@pytest.mark.parametrize("grouped_by", ["user_activity", "item_popularity"])
def test_groups_weighted_by_their_users_give_the_overall_mean(grouped_by: str, rng: np.random.Generator) -> None:
    data = random_data(rng, num_users=100, num_items=60)
    per_user: dict[str, Values] = {name: rng.random(len(data.test)) for name in ("a", "b")}
    table = group_table(per_user, data, "test")
    part = table[table["grouped_by"] == grouped_by]
    assert part["users"].sum() == len(data.test)
    for name, values in per_user.items():
        assert np.average(part[name], weights=part["users"]) == pytest.approx(values.mean())


def test_a_value_lands_in_the_group_of_its_user(rng: np.random.Generator) -> None:
    data = random_data(rng, num_users=100, num_items=60)
    own = data.item_counts[data.test.pairs.items].astype(float)  # the value is the popularity itself
    table = group_table({"own": own}, data, "test")
    part = table[table["grouped_by"] == "item_popularity"]
    assert len(part) > 2
    assert ((part["from"] <= part["own"]) & (part["own"] <= part["to"])).all()
    assert part["from"].is_monotonic_increasing
