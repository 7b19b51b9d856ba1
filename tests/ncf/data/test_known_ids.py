"""How many ids of a list are known, and which known id another one was meant to be."""

from typing import Any
from uuid import UUID

import numpy as np
import pytest

from ncf.data.ids import MOST_COMPARED, KnownIds, plain_form

TEXTS = np.array(["0004", "0008", "Heat", "café"], dtype=object)


@pytest.mark.parametrize(
    ("value", "near"),
    [
        ("4", "0004"),
        (4, "0004"),
        ("4.0", "0004"),
        (4.0, "0004"),
        ("4,00", "0004"),
        ("00004", "0004"),
        ("0004 ", "0004"),
        ("\u00a00004", "0004"),
        ("\ufeff0004", "0004"),
        ("'0004'", "0004"),
        ("HEAT", "Heat"),
        ("Cafe\u0301", "café"),
        ("Heath", "Heat"),
        ("40", None),
        ("", None),
    ],
)
def test_the_nearest_known_id(value: Any, near: Any) -> None:
    assert KnownIds([value], TEXTS).nearest(value) == near


def test_integers_and_uuids_have_near_ones_too() -> None:
    assert KnownIds(["007"], np.array([7, 70])).nearest("007") == 7
    one = UUID(int=5)
    assert KnownIds(["x"], np.array([one], dtype=object)).nearest(f"{{{str(one).upper()}}}") == str(one)


def test_a_large_catalogue_is_not_compared_letter_by_letter() -> None:
    many = np.array([f"item-{n:06}" for n in range(MOST_COMPARED + 1)], dtype=object)
    assert KnownIds(["x"], many).nearest("itm-000007") is None
    assert KnownIds(["x"], many).nearest("ITEM-000007") == "item-000007"


@pytest.mark.parametrize(
    ("given", "enough", "counted"),
    [
        ([], False, "0 of 0"),
        (["0004"], True, "1 of 1"),
        (["0004", "x"], True, "1 of 2"),
        (["0004", "x", "y"], False, "1 of 3"),
        (["0004", "0004", "0004", "x", "y"], False, "1 of 3"),
        ([4, 8], False, "0 of 2"),
    ],
)
def test_half_of_a_list_must_be_known_each_id_once(given: list[Any], enough: bool, counted: str) -> None:
    ids = KnownIds(given, TEXTS)
    assert (ids.enough, ids.counted()) == (enough, f"the model knows {counted} ids")


@pytest.mark.parametrize(("value", "plain"), [("0", "0"), ("000", "0"), ("0.0", "0"), ("-", "-"), ("1.50", "1.50")])
def test_what_is_left_of_a_value_is_never_empty(value: str, plain: str) -> None:
    assert plain_form(value) == plain
