from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ncf.config import GMFConfig, ModelConfig
from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError, ModelError
from ncf.models.gmf import GMF
from ncf.serving.bundle import Bundle
from ncf.serving.recommender import EVERYTHING, Choice, Recommender
from tests.ncf.serving.bundles import CONFIGS, bundle_of, bundle_scoring, every_model, having, some_data
from tests.ncf.serving.naive_lists import naive, rows_of
from tests.ncf.toy_data import literal_data, random_data, seen_by_user


@every_model
@pytest.mark.parametrize("k", [1, 4, 18])
def test_the_k_best_unseen_items_of_every_user(config: ModelConfig, k: int) -> None:
    bundle = bundle_of(some_data(), config)
    users = bundle.user_ids.tolist()
    assert rows_of(Recommender(bundle).recommend(users, k)) == naive(bundle, users, k)


def test_lists_by_hand(literal: PreparedData) -> None:
    bundle = bundle_scoring([[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]] * 3, literal)
    assert rows_of(Recommender(bundle).recommend([30, 99, 10], 3)) == [
        (30, 5, 1, 5.0, "model"),  # has seen 0 and 3
        (30, 4, 2, 4.0, "model"),
        (30, 2, 3, 2.0, "model"),
        (99, 0, 1, 3.0, "popularity"),  # unknown; items 1, 2 and 3 have one interaction each
        (99, 1, 2, 1.0, "popularity"),
        (99, 2, 3, 1.0, "popularity"),
        (10, 5, 1, 5.0, "model"),  # has seen 0, 1, 2, 3 in one split or another
        (10, 4, 2, 4.0, "model"),
    ]


def test_seen_items_of_every_split_never_appear() -> None:
    data = some_data()
    frame = Recommender(bundle_of(data)).recommend(data.user_ids.tolist(), data.num_items)
    listed: dict[int, set[int]] = {user: set() for user in data.user_ids.tolist()}
    for user, item in zip(frame["user_id"], frame["item_id"], strict=True):
        listed[user].add(item)
    for user, seen in zip(data.user_ids.tolist(), seen_by_user(data), strict=True):
        assert listed[user] == set(data.item_ids.tolist()) - {data.item_ids[item] for item in seen}


def test_an_unknown_user_gets_the_popular_items_marked_as_such() -> None:
    bundle = bundle_of(some_data())
    frame = Recommender(bundle).recommend([-5], 18, allow_unknown=True)
    assert rows_of(frame) == naive(bundle, [-5], 18)
    assert set(frame["source"]) == {"popularity"}
    assert sorted(frame["score"], reverse=True) == frame["score"].tolist()
    assert frame["score"].tolist() == sorted(bundle.item_counts.astype(float), reverse=True)


def test_known_and_unknown_users_keep_the_order_given() -> None:
    bundle = bundle_of(some_data())
    users = [243, 7, 3, 8, 13, 243]
    frame = Recommender(bundle).recommend(users, 2)
    assert frame["user_id"].tolist() == [user for user in users for _ in range(2)]
    assert frame["source"].tolist()[::2] == ["model", "popularity", "model", "popularity", "model", "model"]
    assert rows_of(frame) == naive(bundle, users, 2)


def test_a_user_with_few_unseen_items_gets_fewer_rows() -> None:
    bundle = having(bundle_of(literal_data()), [(0, item) for item in (0, 1, 2, 4, 5)] + [(2, 3)])
    frame = Recommender(bundle).recommend([10, 20, 30], 4)
    assert Counter(frame["user_id"]) == {10: 1, 20: 4, 30: 4}
    assert rows_of(frame)[0][:3] == (10, 3, 1)


def test_a_user_who_has_seen_everything_gets_no_row() -> None:
    bundle = having(bundle_of(literal_data()), [(0, item) for item in range(6)])
    assert Recommender(bundle).recommend([10, 20], 2)["user_id"].tolist() == [20, 20]
    assert Recommender(bundle).recommend([10], 2).empty


def test_equal_scores_are_in_the_order_of_the_catalogue() -> None:
    bundle = bundle_of(literal_data())
    with torch.no_grad():
        bundle.model.get_parameter("head").zero_()
    assert Recommender(bundle).recommend([30], 4)["item_id"].tolist() == [1, 2, 4, 5]


def test_of_equals_at_the_end_of_the_list_the_first_of_the_catalogue_is_taken() -> None:
    bundle = bundle_scoring([[1.0, 2.0, 2.0, 3.0, 2.0, 3.0]] * 3, literal_data())
    recommender = Recommender(having(bundle, [(0, 1)]))
    assert recommender.recommend([10], 3)["item_id"].tolist() == [3, 5, 2]  # has seen 1
    assert recommender.recommend([20], 3)["item_id"].tolist() == [3, 5, 1]
    assert recommender.recommend([20], 4)["item_id"].tolist() == [3, 5, 1, 2]
    assert recommender.recommend([20], 1)["item_id"].tolist() == [3]


def test_a_score_that_is_nan_is_an_error() -> None:
    bundle = bundle_of(literal_data())
    with torch.no_grad():
        bundle.model.get_parameter("bias").fill_(float("nan"))
    with pytest.raises(ModelError, match="not numbers"):
        Recommender(bundle).recommend([10], 2)
    assert Recommender(bundle).recommend([99], 1, allow_unknown=True)["source"].tolist() == ["popularity"]


@pytest.mark.parametrize("k", [0, -1, 19])
def test_k_out_of_range_is_refused_with_the_range(k: int) -> None:
    with pytest.raises(ConfigError, match=f"k is out of range: {k}; allowed: 1 to 18, the number of items"):
        Recommender(bundle_of(some_data())).recommend([3], k)


@pytest.mark.parametrize("users_at_once", [1, 2, 7])
def test_the_size_of_the_parts_does_not_matter(users_at_once: int) -> None:
    recommender = Recommender(bundle_of(some_data()))
    users = [243, 7, 3, 8, 13, 23, 33, 43]
    whole = recommender.recommend(users, 3)
    recommender.rows_at_once = users_at_once
    pd.testing.assert_frame_equal(recommender.recommend(users, 3), whole, check_exact=True)


def test_the_memory_allowed_does_not_matter(rng: np.random.Generator) -> None:
    bundle = bundle_of(random_data(rng, num_users=40, num_items=9_000))
    users = bundle.user_ids.tolist()
    small, large = (Recommender(bundle, memory_mb=memory_mb) for memory_mb in (1, 100))
    assert small.rows_at_once == 27
    assert large.rows_at_once > 40
    found, expected = small.recommend(users, 20), large.recommend(users, 20)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_a_loaded_bundle_recommends_the_same(tmp_path: Path) -> None:
    bundle = bundle_of(some_data(), CONFIGS[2])
    bundle.save(tmp_path / "bundle")
    users = [243, 7, 3]
    expected = Recommender(bundle).recommend(users, 5)
    pd.testing.assert_frame_equal(Recommender.load(tmp_path / "bundle").recommend(users, 5), expected)


def test_recommending_twice_gives_the_same() -> None:
    recommender = Recommender(bundle_of(some_data()))
    first = recommender.recommend([243, 7], 5)
    recommender.recommend([3, 99], 18)
    pd.testing.assert_frame_equal(recommender.recommend([243, 7], 5), first)


@every_model
def test_a_user_alone_gets_the_same_bits_as_among_all(config: ModelConfig) -> None:
    bundle = bundle_of(some_data(), config)
    recommender = Recommender(bundle)
    whole = recommender.recommend(list(bundle.user_ids), 5)
    alone = pd.concat([recommender.recommend([user], 5) for user in bundle.user_ids], ignore_index=True)
    pd.testing.assert_frame_equal(alone, whole, check_exact=True)


def test_items_that_are_left_out_go_to_no_one() -> None:
    bundle = bundle_of(some_data())
    users, columns = [243, 7, 3], ["user_id", "item_id", "score"]
    left_out = torch.tensor([0, 5, 17])
    some = Recommender(bundle, choice=Choice(left_out)).recommend(users, 18)
    every = Recommender(bundle).recommend(users, 18)
    kept = every[~every["item_id"].isin(bundle.item_ids[left_out])].reset_index(drop=True)
    pd.testing.assert_frame_equal(some[columns], kept[columns], check_exact=True)


def test_seen_items_come_if_they_may() -> None:
    bundle = bundle_of(some_data())
    frame = Recommender(bundle, choice=replace(EVERYTHING, unseen_only=False)).recommend([3, 7], 18)
    assert Counter(frame["user_id"]) == {3: 18, 7: 18}
    assert set(frame.loc[frame["user_id"] == 7, "source"]) == {"popularity"}


def test_titles_stand_beside_the_items_if_they_are_asked_for() -> None:
    recommender = Recommender(bundle_of(literal_data()))
    frame = recommender.recommend([30], 4, titles=True)
    assert dict(zip(frame["item_id"], frame["title"], strict=True)) == {
        1: "Brazil",
        2: "Casablanca",
        4: "Élisa",
        5: "Fargo",
    }
    pd.testing.assert_frame_equal(frame.drop(columns="title"), recommender.recommend([30], 4))


def test_who_is_known_by_items_alone_gets_what_their_like_have(board: PreparedData) -> None:
    model = GMF(board.num_users, board.num_items, 1, generator=torch.Generator().manual_seed(0))
    colours = torch.tensor([1.0 if item % 2 == 0 else -1.0 for item in range(board.num_items)])[:, None]
    with torch.no_grad():  # an even item is 1, an odd one -1, and so are the users
        model.get_parameter("item_embedding.weight").copy_(colours)
        model.get_parameter("user_embedding.weight").copy_(colours[torch.arange(board.num_users) % 2])
        model.get_parameter("head").fill_(2.0)
    recommender = Recommender(Bundle.of(model.eval(), GMFConfig(embedding_dim=1), board))
    frame = recommender.recommend_for_items([3, 5, 777], 17, titles=True)
    assert list(frame) == ["item_id", "rank", "score", "title"]
    assert frame["item_id"].tolist() == [item for item in range(1, 40, 2) if item not in (3, 5)][:17]
    assert frame["rank"].tolist() == list(range(1, 18))
    assert recommender.recommend_for_items([0], 40)["item_id"].tolist()[:19] == list(range(2, 40, 2))


def test_nobody_is_known_by_unknown_items() -> None:
    recommender = Recommender(bundle_of(some_data()))
    for unknown in ([], ["x"], [10_000]):
        with pytest.raises(ConfigError, match=f"item_ids: the model knows 0 of {len(unknown)} ids"):
            recommender.recommend_for_items(unknown, allow_unknown=True)
    with pytest.raises(ConfigError, match="k is out of range: 0"):
        recommender.recommend_for_items([0], 0)


def test_a_list_that_is_hardly_known_is_refused_unless_it_is_allowed() -> None:
    recommender = Recommender(bundle_of(some_data()))  # users 3, 13 ... 243; items 1, 8 ... 120
    with pytest.raises(ConfigError, match=r"user_ids: the log knows 1 of 3 ids; unknown are: \[4, 5\].*allow_unknown"):
        recommender.recommend([3, 4, 5], 2)
    assert recommender.recommend([3, 4, 5], 1, allow_unknown=True)["source"].tolist() == ["model"] + ["popularity"] * 2
    assert recommender.recommend([3, 4], 1)["source"].tolist() == ["model", "popularity"]
    with pytest.raises(ConfigError, match=r"item_ids: the model knows 1 of 3 ids.*known ids are 1, 8, 15"):
        recommender.recommend_for_items([8, 9, 10], 2)
    assert len(recommender.recommend_for_items([8, 9, 10], 2, allow_unknown=True)) == 2
