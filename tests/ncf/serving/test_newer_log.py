"""A model that serves from a log that may be newer than itself: nobody gets what they have, new users are known."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
import torch

from ncf.config import ModelConfig
from ncf.data.ids import to_json
from ncf.data.prepared import PreparedData
from ncf.data.ratings import Ratings
from ncf.prepare import prepare_ratings
from ncf.serving.batch.choose import choose_users
from ncf.serving.bundle import Bundle
from ncf.serving.config import UserChoice
from ncf.serving.http.live import Served, answer
from ncf.serving.log import ServingLog
from ncf.serving.recommender import EVERYTHING, Recommender
from tests.ncf.serving.bundles import CONFIGS, bundle_of, every_model, some_data
from tests.ncf.serving.naive_lists import items_by_user, naive, rows_of

Rated = tuple[Any, Any, float]

# users 10 ... 40 of items 1 to 8, all liked, in the order of their time
OLD: list[Rated] = [(10, 1, 5), (10, 2, 5), (10, 3, 5), (20, 4, 5), (20, 5, 5), (20, 6, 5), (20, 7, 5)]
OLD += [(30, 1, 5), (30, 8, 5), (40, 2, 5), (40, 3, 5)]
# 10 met 4 and 6; 30 has left; 25 and 50 are new; nobody whom the model knows has items 9 and 99
NEW: list[Rated] = [row for row in OLD if row[0] != 30] + [(10, 4, 5), (10, 6, 5), (20, 99, 5), (25, 9, 5)]
NEW += [(50, 99, 5), (50, 1, 5), (50, 8, 5)]
OLD_TITLES = {1: "one", 2: "two", 3: "", 8: "eight", 7: "seven"}
NEW_TITLES = {1: "One", 2: "two", 3: "three", 7: "", 99: "ninety-nine"}


def prepared(rows: Sequence[Rated], titles: dict[Any, str] | None = None, **settings: Any) -> PreparedData:
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "rating"]).astype({"rating": float})
    frame = frame.assign(timestamp=range(len(rows)))
    log = Ratings.from_frame(frame, pd.Series(titles or {}, dtype=object), time_unit="s")
    return prepare_ratings(log, {"num_candidates": 2, **settings})


def text(number: int) -> str:
    return f"é{number:03}"


def uuid(number: int) -> UUID:
    return UUID(int=number << 64)


def same(number: int) -> int:
    return number


every_kind = pytest.mark.parametrize("of", [same, text, uuid], ids=["integer", "text", "uuid"])


def renamed(of: Any, rows: Sequence[Rated]) -> list[Rated]:
    return [(of(user), of(item), rating) for user, item, rating in rows]


def old_bundle(of: Any = same, config: ModelConfig = CONFIGS[0]) -> Bundle:
    return bundle_of(prepared(renamed(of, OLD), {of(item): title for item, title in OLD_TITLES.items()}), config)


def new_log(of: Any = same, rows: Sequence[Rated] = NEW, **settings: Any) -> ServingLog:
    titles = {of(item): title for item, title in NEW_TITLES.items()}
    return ServingLog.of(prepared(renamed(of, rows), titles, **settings))


def sources(frame: pd.DataFrame) -> dict[Any, str]:
    first = frame[frame["rank"] == 1]
    return dict(zip(first["user_id"], first["source"], strict=True))


@every_kind
@every_model
def test_every_list_is_that_of_the_newest_log(of: Any, config: ModelConfig) -> None:
    bundle, log = old_bundle(of, config), new_log(of)
    users = [of(number) for number in (50, 10, 7, 30, 25, 40, 20)]
    frame = Recommender(bundle, log).recommend(users, 8)
    assert rows_of(frame) == naive(bundle, users, 8, log)
    assert sources(frame) == {
        of(10): "model",
        of(20): "model",
        of(40): "model",
        of(50): "items",
        of(25): "popularity",  # the model does not know the only item
        of(30): "popularity",  # no longer there
        of(7): "popularity",  # never there
    }


@every_kind
def test_nobody_gets_what_the_newest_log_has(of: Any) -> None:
    log = new_log(of)
    frame = Recommender(old_bundle(of), log).recommend(log.user_ids.tolist(), 8)
    listed = set(zip(frame["user_id"], frame["item_id"], strict=True))
    assert not listed & {(of(user), of(item)) for user, item, _ in NEW}
    assert {item for user, item in listed if user == of(10)} == {of(item) for item in (5, 7, 8)}
    assert {item for user, item in listed if user == of(50)} == {of(item) for item in (2, 3, 4, 5, 6, 7)}
    before = Recommender(old_bundle(of)).recommend([of(10)], 8)
    assert {of(4), of(6)} <= set(before["item_id"]), "which by the model's own log they would get"


def test_of_a_user_who_has_left_the_log_nothing_is_known() -> None:
    bundle = old_bundle()
    frame = Recommender(bundle, new_log()).recommend([30, 7], 8, allow_unknown=True)
    assert frame[frame["user_id"] == 30]["item_id"].tolist() == frame[frame["user_id"] == 7]["item_id"].tolist()
    assert sources(Recommender(bundle).recommend([30], 8)) == {30: "model"}


def test_titles_are_those_of_the_newest_log_and_of_items_that_left_it_the_models_own() -> None:
    titles = Recommender(old_bundle(), new_log(rows=[row for row in NEW if row[1] != 8])).titles
    assert titles.tolist() == ["One", "two", "three", "", "", "", "", "eight"]  # 7 has lost its own
    assert Recommender(old_bundle()).titles.tolist() == ["one", "two", "", "", "", "", "seven", "eight"]


def test_titles_of_the_newest_log_stand_in_the_lists() -> None:
    recommender = Recommender(old_bundle(), new_log())
    for frame in (recommender.recommend([25], 8, titles=True), recommender.recommend_for_items([4], 7, titles=True)):
        shown = dict(zip(frame["item_id"], frame["title"], strict=True))
        assert (shown[1], shown[2], shown[3], shown[7]) == ("One", "two", "three", "")


def test_an_item_that_the_model_does_not_know_takes_nobodys_place() -> None:
    """With and without the pairs of items 9 and 99 the lists are the same."""
    bundle, known = old_bundle(), [row for row in NEW if row[1] < 9]
    users = [10, 20, 25, 30, 40, 50]
    with_new, without = (Recommender(bundle, new_log(rows=rows)).recommend(users, 8) for rows in (NEW, known))
    pd.testing.assert_frame_equal(with_new, without, check_exact=True)


@pytest.mark.parametrize("of", [text, uuid], ids=["text", "uuid"])
def test_a_log_whose_ids_are_of_another_kind_knows_nobody(of: Any) -> None:
    recommender = Recommender(old_bundle(), new_log(of))
    assert sources(recommender.recommend([10], 3, allow_unknown=True)) == {10: "popularity"}
    assert sources(recommender.recommend([of(10)], 3)) == {of(10): "popularity"}


def test_through_json() -> None:
    recommender, users = Recommender(old_bundle(uuid), new_log(uuid)), [uuid(50), uuid(10), uuid(30)]
    found = recommender.recommend_json([str(user) for user in users], 4)
    expected = recommender.recommend(users, 4)
    for column in ("user_id", "item_id"):
        assert found[column].tolist() == to_json(expected[column]).tolist()
    assert found["source"].tolist() == expected["source"].tolist()


@every_kind
def test_one_user_online_gets_what_the_batch_has(of: Any) -> None:
    recommender = Recommender(old_bundle(of), new_log(of))
    served = Served.of("shop", 1, old_bundle(of), new_log(of))
    for user in (10, 20, 25, 30, 40, 50):
        rows, found = (
            recommender.recommend([of(user)], 8, titles=True, allow_unknown=True),
            answer(served, of(user), [], 8),
        )
        assert found.item_ids == rows["item_id"].tolist()
        assert found.titles == rows["title"].tolist()
        assert np.array(found.scores, dtype=np.float32).tobytes() == rows["score"].to_numpy().tobytes()
        assert {found.source} == set(rows["source"])
    more = answer(served, of(50), [of(2), of(99)], 8)
    assert (more.source, set(more.item_ids), more.unknown) == ("items", {of(n) for n in (3, 4, 5, 6, 7)}, [of(99)])
    scores = recommender.fold_in.scores(torch.tensor([0, 7, 1]))
    assert more.scores == sorted(scores[2:7].tolist(), reverse=True), "1 and 8 of the log, and 2 of the request"
    assert answer(served, of(25), [of(2)], 8).source == "items"


BUNDLE = bundle_of(some_data(), CONFIGS[2])


def mixed_log() -> ServingLog:
    """Every third user of the model is missing in it, and every other one of the others is new."""
    data = some_data()
    ids = np.where(np.arange(25) % 3 == 0, data.user_ids + 1, data.user_ids)
    return ServingLog.of(replace(data, user_ids=ids))


def test_a_list_depends_bit_for_bit_neither_on_the_block_nor_on_who_else_is_in_it() -> None:
    log = mixed_log()
    recommender = Recommender(BUNDLE, log, memory_mb=100)
    users = [*log.user_ids.tolist(), 3, -7]
    assert recommender.rows_at_once > len(users)
    whole = recommender.recommend(users, 18)
    assert list(dict.fromkeys(whole["source"])) == ["items", "model", "popularity"]
    assert [*sources(whole).values()][:6] == ["items", "model", "model", "items", "model", "model"]
    for recommender.rows_at_once in (1, 2, 3, 5, 26):
        pd.testing.assert_frame_equal(recommender.recommend(users, 18), whole, check_exact=True)
    alone = pd.concat([recommender.recommend([user], 18, allow_unknown=True) for user in users], ignore_index=True)
    pd.testing.assert_frame_equal(alone, whole, check_exact=True)
    backwards = recommender.recommend(users[::-1], 18)
    for user in users:
        ours, theirs = (frame[frame["user_id"] == user].reset_index(drop=True) for frame in (backwards, whole))
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


def test_a_log_that_was_loaded_gives_the_same_lists(tmp_path: Path) -> None:
    log = mixed_log()
    log.save(tmp_path / "log")
    BUNDLE.save(tmp_path / "bundle")
    bundle, loaded = Bundle.load(tmp_path / "bundle"), ServingLog.load(tmp_path / "log")
    users = log.user_ids.tolist()
    for refold in (False, True):
        found, expected = (
            Recommender(*pair, refold=refold).recommend(users, 5, titles=True)
            for pair in ((bundle, loaded), (BUNDLE, log))
        )
        pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_what_they_have_comes_if_it_may_whatever_the_lists_are_based_on() -> None:
    choice = replace(EVERYTHING, unseen_only=False)
    frame = Recommender(old_bundle(), new_log(), choice=choice).recommend([10, 50, 25], 8)
    assert frame["user_id"].value_counts().to_dict() == {10: 8, 50: 8, 25: 8}


@every_model
def test_a_user_whose_history_grew_is_folded_in_again_only_if_that_is_asked_for(config: ModelConfig) -> None:
    bundle, log, users = old_bundle(config=config), new_log(), [10, 20, 30, 40, 50, 25]
    kept, again = (Recommender(bundle, log, refold=refold).recommend(users, 8) for refold in (False, True))
    assert sources(kept)[10] == "model"
    assert sources(again) == sources(kept) | {10: "items"}, "20 met nothing that the model knows"
    assert rows_of(again) == naive(bundle, users, 8, log, refold=True)
    for user in users[1:]:
        ours, theirs = (frame[frame["user_id"] == user].reset_index(drop=True) for frame in (again, kept))
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ([], "model"),
        ([(10, 1, 5)], "model"),  # once more
        ([(10, 5, 1)], "model"),  # not liked
        ([(10, 99, 5)], "model"),  # the model does not know it
        ([(10, 5, 5)], "items"),
        ([(10, 4, 5)], "items"),  # was not liked before
        ([(10, 1, 1)], "model"),  # no longer liked: fewer
        ([(10, 1, 1), (10, 5, 5)], "items"),  # as many as before, but not the same
    ],
    ids=str,
)
def test_a_history_grew_by_what_the_user_likes_and_the_model_knows(more: list[Rated], expected: str) -> None:
    rows: list[Rated] = [*OLD, (10, 4, 1)]
    bundle = bundle_of(prepared(rows, feedback={"threshold": 4}))
    log = ServingLog.of(prepared([*rows, *more], feedback={"threshold": 4}))
    for refold, source in ((False, "model"), (True, expected)):
        frame = Recommender(bundle, log, refold=refold).recommend([10, 20, 30, 40], 8)
        assert sources(frame) == {10: source, 20: "model", 30: "model", 40: "model"}
        assert rows_of(frame) == naive(bundle, [10, 20, 30, 40], 8, log, refold=refold)


def test_of_the_models_own_log_nobody_is_folded_in_again(tmp_path: Path) -> None:
    data = prepared(OLD)
    bundle = bundle_of(data)
    ServingLog.of(data).save(tmp_path / "log")
    for log in (None, bundle.log, ServingLog.of(data), ServingLog.load(tmp_path / "log")):
        frame = Recommender(bundle, log, refold=True).recommend([10, 20, 30, 40], 8)
        assert set(frame["source"]) == {"model"}
    trained_on_all = bundle_of(data.refitted(test=True))
    frame = Recommender(trained_on_all, bundle.log, refold=True).recommend([10, 20, 30, 40], 8)
    assert set(frame["source"]) == {"model"}


# 2 is what nobody likes, and what 10 and 20 know; 40 likes nothing
STARS: list[Rated] = [(10, 1, 5), (10, 2, 2), (10, 3, 4), (10, 4, 5), (10, 5, 1), (20, 1, 4), (20, 3, 5), (20, 6, 5)]
STARS += [(20, 2, 1), (20, 4, 3), (30, 5, 5), (30, 6, 4), (30, 1, 1), (40, 6, 1), (40, 1, 2)]


@every_model
def test_what_was_rated_below_the_threshold_is_seen_unless_a_setting_says_otherwise(config: ModelConfig) -> None:
    for meaning, again in (({}, False), ({"below_threshold": "unseen"}, True)):
        bundle = bundle_of(prepared(STARS, feedback={"threshold": 4, **meaning}), config)
        frame = Recommender(bundle).recommend([10, 20, 30, 40], 5)
        listed = set(zip(frame["user_id"], frame["item_id"], strict=True))
        below = {(user, item) for user, item, stars in STARS if stars < 4 and item != 2}  # the model does not know 2
        assert not listed & {(user, item) for user, item, stars in STARS if stars >= 4}
        assert listed & below == (below if again else set())
        assert rows_of(frame) == naive(bundle, [10, 20, 30, 40], 5)
        assert sources(frame) == {10: "model", 20: "model", 30: "model", 40: "popularity"}


SINCE = "1970-01-01T00:00:10Z"  # of 30, and of later ones
FILTERS: dict[str, dict[str, Any]] = {
    "min_per_user": {"filters": {"min_per_user": 3}},
    "min_per_item": {"filters": {"min_per_item": 2}},
    "k-core": {"filters": {"min_per_user": 2, "min_per_item": 2}},
    "users_active_since": {"filters": {"users_active_since": SINCE}},
    "items_active_since": {"filters": {"items_active_since": SINCE}},
    "threshold and min_per_user": {"feedback": {"threshold": 4}, "filters": {"min_per_user": 3}},
}


@pytest.mark.parametrize("settings", FILTERS.values(), ids=FILTERS)
def test_what_any_filter_left_out_is_not_recommended(settings: dict[str, Any]) -> None:
    rows: list[Rated] = [*STARS, (50, 3, 5), (50, 1, 5), (60, 7, 5)]
    data = prepared(rows, **settings)
    everything = {(user, item) for user, item, _ in rows}
    assert len(data.everything) < len(everything), "the filter leaves something out"
    bundle = bundle_of(data)
    recommender = Recommender(bundle)
    users = bundle.log.user_ids.tolist()
    frame = recommender.recommend(users, data.num_items)
    assert not set(zip(frame["user_id"], frame["item_id"], strict=True)) & everything
    assert {user: its for user, (_, its) in items_by_user(bundle.log).items()} == {
        user: {item for who, item in everything if who == user} for user in {user for user, _ in everything}
    }
    assert rows_of(frame) == naive(bundle, users, data.num_items)


def test_a_user_with_too_few_interactions_for_training_is_known_to_serving() -> None:
    rows: list[Rated] = [*OLD, (25, 1, 5), (25, 4, 5), (35, 99, 5)]
    data = prepared(rows, filters={"min_per_user": 3})
    assert data.user_ids.tolist() == [10, 20]
    bundle = bundle_of(data)
    assert bundle.user_ids.tolist() == [10, 20]
    recommender = Recommender(bundle)
    frame = recommender.recommend([10, 25, 35, 20], 7)
    assert sources(frame) == {10: "model", 25: "items", 35: "popularity", 20: "model"}
    assert not set(frame[frame["user_id"] == 25]["item_id"]) & {1, 4}
    scores = recommender.fold_in.scores(recommender.items_of([1, 4]))
    found = frame[frame["user_id"] == 25]
    assert found["score"].tolist() == scores[recommender.items_of(found["item_id"].tolist())].tolist()
    popular = recommender.recommend([-1], 7, allow_unknown=True)
    assert found["item_id"].tolist() != [item for item in popular["item_id"] if item not in (1, 4)]
    assert choose_users(bundle.log, UserChoice()).tolist() == [10, 20]
    assert choose_users(bundle.log, UserChoice(ids=(25, 35, 10))).tolist() == [25, 35, 10]
