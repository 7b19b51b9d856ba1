from datetime import UTC, datetime
from typing import Any

import pytest

from flows.registry.flow import log_lines
from flows.registry.log import MAX_TAG, Entry, champions, describe, read_log
from flows.tracking.locations import TrackingError
from tests.flows.registry.placeholder_versions import new_registry


def entry(number: int, **changes: Any) -> Entry:
    values = {"number": number, "when": datetime(2026, 11, 24, 21, 5, tzinfo=UTC), "who": "ann@desk"}
    values |= {"what": "promoted", "before": number - 1, "after": number, "reason": "better", "state": "done"}
    return Entry.model_validate(values | changes)


def rolled_back(number: int, after: int) -> Entry:
    return entry(number, what="rolled back", after=after)


@pytest.mark.parametrize(
    ("entries", "stack"),
    [
        ([], []),
        ([entry(1), entry(2), entry(3)], [1, 2, 3]),
        ([entry(1), entry(2), entry(3), rolled_back(4, after=2)], [1, 2]),
        ([entry(1), entry(2), entry(3), rolled_back(4, after=1), entry(5)], [1, 5]),
        ([entry(1), entry(2), entry(3, after=1), rolled_back(4, after=2)], [1, 2]),
        ([entry(1), entry(2, state="interrupted"), entry(3, after=1), entry(4, what="outside", after=None)], [1]),
        ([entry(1), rolled_back(2, after=9)], [1, 9]),
    ],
)
def test_the_champions_that_a_rollback_goes_back_through(entries: list[Entry], stack: list[int]) -> None:
    assert champions(entries) == stack


def test_the_page_shows_the_newest_twenty_and_keeps_what_stands_above() -> None:
    entries = [entry(number) for number in range(1, 31)]
    text = describe("Notes.\n\n## Promotions\n\nold table", entries)
    assert text.startswith("Notes.\n\n## Promotions\n") and "old table" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    assert [int(row.split("|")[1]) for row in rows] == list(range(30, 10, -1))
    assert "10 earlier" in text
    assert describe(text, entries) == text


def test_the_page_always_fits_into_mlflows_database() -> None:
    long = [entry(number, reason="why " * 300, who="w" * 200, run_id="r" * 32) for number in range(1, 31)]
    text = describe("", long)
    assert 3000 < len(text) <= MAX_TAG
    assert len([line for line in text.splitlines() if line.startswith("|")]) == 2 + 20, "reasons are cut first"
    assert len(describe("n" * 4000, long)) <= MAX_TAG
    assert describe("n" * 4950, long) == "n" * 4950


def test_an_entry_always_fits_into_a_tag_and_comes_back() -> None:
    given = entry(1, reason="é" * 5000, who="w" * 5000, figures={"challenger": 0.123456789012})
    text = given.text()
    assert len(text) <= MAX_TAG
    back = Entry.model_validate_json(text)
    assert back.reason.endswith("é…") and back.figures == given.figures and back.when == given.when


def test_the_log_as_text_is_newest_first_with_reasons() -> None:
    lines = log_lines([entry(1, before=None), entry(2, figures={"gain": 0.0123456}, state="interrupted")], champion=1)
    assert lines[0] == "Champion: version 1. Changes: 2."
    assert lines[2] == "2. 2026-11-24 21:05:00 UTC, promoted, interrupted, version 1 -> 2, by ann@desk"
    assert lines[4] == "   gain 0.01235"
    assert lines[6].startswith("1. ") and "version - -> 1" in lines[6]


def test_a_damaged_entry_is_named(store: str) -> None:
    registry = new_registry(store)
    registry.client.set_registered_model_tag(registry.name, "ncf.promotion.000001", '{"number": 1}')
    with pytest.raises(TrackingError, match=r"ncf\.promotion\.000001.*delete the tag"):
        read_log(registry.client, registry.name)
