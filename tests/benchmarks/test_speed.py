"""The pure parts of the speed benchmark. No timings here: those are the benchmark's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.datasets import SMALL, load, write_recbole
from benchmarks.figures.grid import cases, instruction_sets
from benchmarks.figures.machine import flops_per_sample
from benchmarks.figures.training import NEUMF_8
from benchmarks.memory import peak_mb
from benchmarks.synthetic import synthetic_log
from benchmarks.table import Row, as_markdown, as_number, as_table, meets, merge, read_rows, write_rows

LEVEL_3 = "avx2 fma bmi1 bmi2 f16c movbe"
LEVEL_4 = f"{LEVEL_3} avx512f avx512bw avx512cd avx512dq avx512vl"
ROW = Row("best", "training", "samples/s", 900.0, 300.0, ">= 2", "1 / 2", 256, "what is counted", "today, here")


@pytest.mark.parametrize(
    ("flags", "marches"),
    [
        (LEVEL_4, {"AVX-512": "x86-64-v4", "AVX2": "x86-64-v3"}),
        (LEVEL_3, {"AVX2": "x86-64-v3"}),
        ("sse2", {"own": "native"}),
    ],
)
def test_the_grid_is_measured_for_every_instruction_set_of_the_machine(
    flags: str, marches: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "cpuinfo").write_text(f"flags\t\t: fpu {flags} ssse3\n")
    assert instruction_sets(tmp_path / "cpuinfo") == marches
    assert instruction_sets(tmp_path / "none") == {"own": "native"}


def test_the_grid_has_each_model_with_each_batch() -> None:
    assert len(cases(1)) == 8 * 4 and len(cases(2)) == 8 * 2


@pytest.mark.parametrize(
    ("must", "value", "met"),
    [
        (">= 2", 2.0, True),
        (">= 2", 1.99, False),
        ("<= 0.25", 0.25, True),
        ("<= 0.25", 0.26, False),
        (">= 2", None, False),
        ("", 5.0, None),
        ("", None, None),
    ],
)
def test_meets(must: str, value: float | None, met: bool | None) -> None:
    assert meets(must, value) is met


def test_meets_refuses_what_it_cannot_read() -> None:
    with pytest.raises(ValueError, match="'at least 2'"):
        meets("at least 2", 3.0)


def test_must_is_about_the_ratio_where_there_is_a_peer() -> None:
    assert ROW.ratio == 3.0
    assert ROW.met is True
    assert replace(ROW, peer=900.0).met is False


def test_must_is_about_ours_where_there_is_no_peer() -> None:
    alone = replace(ROW, ours=1.5, peer=None, must="<= 2")
    assert alone.ratio is None
    assert alone.met is True
    assert replace(alone, ours=2.5).met is False


def test_a_target_that_was_never_reached_is_not_met() -> None:
    missed = replace(ROW, ours=None, must="<= 0.25")
    assert missed.ratio is None
    assert missed.met is False


def test_json_row_has_the_agreed_fields() -> None:
    agreed = {"figure", "unit", "ours", "peer", "ratio", "must", "threads", "batch"}
    assert agreed <= set(ROW.as_dict())


def test_merge_replaces_by_name_and_keeps_the_others_in_order() -> None:
    old = [{"row": "b", "ours": 1}, {"row": "gone", "ours": 2}, {"row": "a", "ours": 3}, {"row": "a", "ours": 4}]
    merged = merge(old, [{"row": "a", "ours": 5}], ["a", "b"])
    assert merged == [{"row": "a", "ours": 5}, {"row": "b", "ours": 1}, {"row": "gone", "ours": 2}]
    assert len(old) == 4


def test_results_come_back_as_written(tmp_path: Path) -> None:
    assert read_rows(tmp_path / "speed.json") == []
    write_rows(tmp_path, "speed", [ROW.as_dict()], "page\n")
    assert read_rows(tmp_path / "speed.json") == [ROW.as_dict()]
    assert (tmp_path / "speed.md").read_text(encoding="utf-8") == "page\n"


def test_table_line() -> None:
    assert as_table([ROW.as_dict()])[2:] == [
        "| best | training | samples/s | 900 | 300 | 3 | >= 2 | yes | 1 / 2 | 256 |"
    ]


def test_page_parts_what_must_be_from_what_is_only_known() -> None:
    known = replace(ROW, row="limits", must="", peer=None, note="")
    page = as_markdown("Speed", "intro", [ROW.as_dict(), known.as_dict()], "Where the time goes")
    before, after = page.split("## Where the time goes")
    assert "| best |" in before
    assert "| limits |" in after
    assert page.count("Measured today, here.") == 1
    assert page.endswith("- `best`: what is counted\n")


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.045678, "0.04568"), (3.14159, "3.14"), (12345.6, "12,346"), (99.96, "100")]
)
def test_numbers_have_three_digits_and_shares_four(value: float | None, text: str) -> None:
    assert as_number(value) == text


def test_synthetic_log_is_reproducible() -> None:
    first, again, other = (synthetic_log(50, 80, 900, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.users, again.users)
    assert np.array_equal(first.items, again.items)
    assert not np.array_equal(first.items, other.items)


def test_synthetic_log_has_the_numbers_asked_for() -> None:
    log = synthetic_log(50, 80, 900)
    assert (len(log.user_ids), len(log.item_ids), len(log.users)) == (50, 80, 900)
    assert np.all(np.diff(log.users) >= 0)
    assert np.bincount(log.users, minlength=50).min() >= 3
    assert len(np.unique(log.users * 80 + log.items)) == 900
    assert log.items.min() >= 0
    assert log.items.max() < 80


def test_synthetic_items_are_unequally_popular_and_their_order_is_not_sorted() -> None:
    log = synthetic_log(400, 100, 8_000)
    counts = np.sort(np.bincount(log.items, minlength=100))[::-1]
    assert counts[:20].sum() > 3 * counts[-20:].sum()
    assert not np.all(np.diff(log.items[log.users == 0]) > 0)


@pytest.mark.parametrize("num_interactions", [149, 1_001])
def test_synthetic_log_refuses_what_does_not_fit(num_interactions: int) -> None:
    with pytest.raises(ValueError, match=f"{num_interactions}; allowed: 150 to 1000"):
        synthetic_log(50, 80, num_interactions)


def test_recbole_reads_the_same_pairs(tmp_path: Path) -> None:
    data = load(SMALL)
    write_recbole(data, tmp_path / "log")
    lines = (tmp_path / "log" / "log.train.inter").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "user_id:token\titem_id:token"
    assert lines[1] == f"{data.train.users[0]}\t{data.train.items[0]}"
    assert len(lines) == 1 + len(data.train)


def test_flops_of_neumf_8() -> None:
    shared, own = 32 * 32 / 5, 32 * 32 + 32 * 16 + 16 * 8 + 8 + 16
    assert flops_per_sample(NEUMF_8) == pytest.approx(6 * (shared + own))


def test_peak_memory_is_that_of_this_process() -> None:
    assert 10 < peak_mb() < 100_000
