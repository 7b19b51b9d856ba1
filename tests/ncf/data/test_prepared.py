import hashlib
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest

from ncf.data.prepared import Holdout, PreparedData
from ncf.data.split import Pairs, Split
from ncf.prepare import prepare_split
from tests.ncf.toy_data import holdout, literal_data, pair_rows, pairs, seen_by_user

# of literal_data(); the same on any machine, or models could not be compared across machines
LITERAL_FINGERPRINT = "8efbf4d816398c45bddeb19d0a14e9ff3b3183285f5a01d0204138fc776af478"
LITERAL_FINGERPRINT_OF_TEXT_IDS = "3c3fce4c313379f755b0985b4be88908330ea84ba52ebe95ca25b450e74e67a5"
TEXT_USERS, TEXT_ITEMS = ("ann", "bob", "zoë"), ("a", "b", "c", "d", "e", "f")


def split() -> Split:
    users, items = np.array([7, 8, 9]), np.arange(100, 112)
    return Split(
        users,
        items,
        train=pairs([(0, 0), (0, 1), (1, 2), (2, 3), (2, 4)]),
        validation=pairs([(0, 5), (1, 6)]),
        test=pairs([(0, 7), (1, 8)]),
    )


Part = TypeVar("Part", Pairs, Holdout)


def with_array(given: Part, name: str, place: int | tuple[int, int], value: int) -> Part:
    array = getattr(given, name).copy()
    assert array[place] != value
    array[place] = value
    return replace(given, **{name: array})


CHANGES: dict[str, Callable[[PreparedData], PreparedData]] = {
    "user id": lambda d: replace(d, user_ids=np.array([10, 20, 31])),
    "item id": lambda d: replace(d, item_ids=np.array([0, 1, 2, 3, 4, 6])),
    "one more item": lambda d: replace(d, item_ids=np.arange(7)),
    "train user": lambda d: replace(d, train=with_array(d.train, "users", 4, 1)),
    "train item": lambda d: replace(d, train=with_array(d.train, "items", 5, 4)),
    "train order": lambda d: replace(d, train=pairs([(0, 1), (0, 0), (1, 0), (1, 2), (2, 0), (2, 3)])),
    "validation item": lambda d: replace(d, validation=holdout([(0, 2), (1, 3)], [[4, 5], [3, 5]])),
    "validation user": lambda d: replace(d, validation=holdout([(0, 2), (2, 1)], [[4, 5], [3, 5]])),
    "validation candidate": lambda d: replace(d, validation=with_array(d.validation, "candidates", (1, 0), 2)),
    "test item": lambda d: replace(d, test=holdout([(0, 3), (1, 5)], [[5, 4], [5, -1]])),
    "test candidate": lambda d: replace(d, test=with_array(d.test, "candidates", (1, 1), 3)),
    "holdouts swapped": lambda d: replace(d, validation=d.test, test=d.validation),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_any_change_changes_the_fingerprint(change: Callable[[PreparedData], PreparedData]) -> None:
    assert change(literal_data()).fingerprint != literal_data().fingerprint


def test_the_same_content_has_the_same_fingerprint() -> None:
    assert literal_data().fingerprint == literal_data().fingerprint
    assert literal_data(TEXT_USERS, TEXT_ITEMS).fingerprint == literal_data(TEXT_USERS, TEXT_ITEMS).fingerprint


def test_the_fingerprint_is_the_same_on_any_machine() -> None:
    assert literal_data().fingerprint == LITERAL_FINGERPRINT
    assert literal_data(TEXT_USERS, TEXT_ITEMS).fingerprint == LITERAL_FINGERPRINT_OF_TEXT_IDS


def test_the_fingerprint_is_the_sha256_of_types_shapes_and_values() -> None:
    content = [[10, 20, 30], range(6), [0, 0, 1, 1, 2, 2], [0, 1, 0, 2, 0, 3], [0, 1], [2, 1]]
    digest = hashlib.sha256()
    for values in content:
        digest.update(f"<i8({len(values)},)".encode() + struct.pack(f"<{len(values)}q", *values))
    digest.update(b"<i8(2, 2)" + struct.pack("<4q", 4, 5, 3, 5))
    digest.update(b"<i8(2,)" + struct.pack("<2q", 0, 1) + b"<i8(2,)" + struct.pack("<2q", 3, 4))
    digest.update(b"<i8(2, 2)" + struct.pack("<4q", 5, 4, 5, -1))
    assert literal_data().fingerprint == digest.hexdigest()


def test_the_width_of_integer_ids_does_not_matter() -> None:
    narrow = replace(literal_data(), user_ids=np.array([10, 20, 30], dtype=np.int32))
    assert narrow.fingerprint == literal_data().fingerprint


def test_where_one_text_id_ends_matters() -> None:
    one = literal_data(("ab", "c", "d"), TEXT_ITEMS).fingerprint
    assert one != literal_data(("a", "bc", "d"), TEXT_ITEMS).fingerprint


def test_name_and_titles_do_not_matter() -> None:
    other = replace(literal_data(), name="another", titles=np.full(6, "", dtype=object))
    assert other.fingerprint == literal_data().fingerprint


def test_sizes_and_counts_are_read_off_the_content(literal: PreparedData) -> None:
    assert (literal.num_users, literal.num_items) == (3, 6)
    assert literal.item_counts.tolist() == [3, 1, 1, 1, 0, 0]
    assert len(literal.validation) == len(literal.test) == 2


def test_everything_is_every_pair_of_every_split(literal: PreparedData) -> None:
    assert sorted(pair_rows(literal.everything)) == sorted(
        [(0, 0), (0, 1), (1, 0), (1, 2), (2, 0), (2, 3), (0, 2), (1, 1), (0, 3), (1, 4)]
    )


def test_prepare_keeps_the_split_and_draws_candidates_unseen_in_every_split() -> None:
    data = prepare_split("name", split(), num_candidates=5, candidate_seed=3)
    assert (data.name, data.user_ids.tolist(), data.item_ids.tolist()) == ("name", [7, 8, 9], list(range(100, 112)))
    assert pair_rows(data.train) == [(0, 0), (0, 1), (1, 2), (2, 3), (2, 4)]
    seen = seen_by_user(data)
    for part, expected in ((data.validation, [(0, 5), (1, 6)]), (data.test, [(0, 7), (1, 8)])):
        assert pair_rows(part.pairs) == expected
        assert part.candidates.shape == (2, 5)
        for user, row in enumerate(part.candidates.tolist()):
            assert len(set(row)) == 5
            assert all(0 <= item < 12 and item not in seen[user] for item in row)


def test_candidates_depend_on_their_seed_alone() -> None:
    first, again = (prepare_split("x", split(), num_candidates=5, candidate_seed=3) for _ in range(2))
    assert np.array_equal(first.test.candidates, again.test.candidates)
    assert first.fingerprint == again.fingerprint
    other = prepare_split("x", split(), num_candidates=5, candidate_seed=4)
    assert first.fingerprint != other.fingerprint
    assert not np.array_equal(first.test.candidates, other.test.candidates)


def test_candidate_rows_that_are_too_long_are_padded() -> None:
    data = prepare_split("x", split(), num_candidates=20)
    assert sorted(data.test.candidates[1].tolist()) == [-1] * 11 + [0, 1, 3, 4, 5, 7, 9, 10, 11]


def test_titles_are_kept_or_empty() -> None:
    titles = np.array([f"title {n}" for n in range(12)], dtype=object)
    assert prepare_split("x", split(), titles).titles.tolist() == titles.tolist()
    assert prepare_split("x", split()).titles.tolist() == [""] * 12
