from datetime import UTC, datetime
from typing import Any

import pytest

from flows.registry.flow import execute, log_lines
from flows.registry.log import MAX_TAG, Entry, champions, describe, read_log, reigns
from flows.registry.promotion import promote
from flows.registry.settings import LogSettings, RollbackSettings
from flows.tracking.locations import TrackingError
from tests.flows.registry.placeholder_versions import change, new_registry


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


def test_what_the_anchor_is_chosen_from() -> None:
    better, worse = {"low": 0.001}, {"low": -0.001}
    entries = [
        entry(1, before=None),
        entry(2, figures=worse),
        entry(3, figures=better),
        entry(4, figures={**better, "anchor_low": -0.002}),  # better than the champion, but not than the anchor
        entry(5, figures=better),
        rolled_back(6, after=4),
        entry(7, what="by hand", figures=worse),
    ]
    assert [(reign.version, reign.is_standard) for reign in reigns(entries)] == [
        *((1, False), (2, False), (3, True), (4, False)),  # 5 was rolled back
        (7, True),
    ]


def test_the_log_says_why_the_versions_after_the_champion_were_kept_back(store: str) -> None:
    registry = new_registry(store, versions=9)
    for after, compared in ((1, None), (2, 1)):
        promote(registry, change(after), compared)
    for number in (1, *range(3, 9)):  # 9 is not decided yet
        registry.client.set_model_version_tag(registry.name, str(number), "ncf.reason", f"kept back: worse by {number}")
        registry.client.set_model_version_tag(registry.name, str(number), "ncf.promoted", "false")
    lines = execute(LogSettings(dataset="shop"), registry)
    assert lines[0] == "Champion: version 2. Changes: 2."
    for line, number in zip(lines[1:6], (8, 7, 6, 5, 4), strict=True):
        assert line.startswith(f"Version {number} of 20") and line.endswith(f"UTC was kept back: worse by {number}.")
    assert lines[6].startswith("1 more were kept back since")
    assert lines[8].startswith("2. ")
    told = execute(RollbackSettings(dataset="shop", reason="complaints"), registry)
    assert told[0] == "Version 1 is the champion; it was version 2." and "was kept back: worse by 8." in told[1]


def test_the_page_shows_the_newest_twenty_and_keeps_what_stands_above() -> None:
    entries = [entry(number) for number in range(1, 31)]
    text = describe("Notes.\n\n## Promotions\n\nold table", entries, "ncf-shop")
    assert text.startswith("Notes.\n\n## Promotions\n") and "old table" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    assert [int(row.split("|")[1]) for row in rows] == list(range(30, 10, -1))
    assert "10 earlier: `.venv/bin/python -m flows.registry log --dataset shop`" in text
    assert describe(text, entries, "ncf-shop") == text


def test_the_page_always_fits_into_mlflows_database() -> None:
    long = [entry(number, reason="why " * 300, who="w" * 200, run_id="r" * 32) for number in range(1, 31)]
    text = describe("", long, "ncf-shop")
    assert 3000 < len(text) <= MAX_TAG
    assert len([line for line in text.splitlines() if line.startswith("|")]) == 2 + 20, "reasons are cut first"
    assert len(describe("n" * 4000, long, "ncf-shop")) <= MAX_TAG
    assert describe("n" * 4950, long, "ncf-shop") == "n" * 4950


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
