"""The committed results and the benchmarks that write them."""

import pytest

from benchmarks import data, quality, serving, speed, tuning
from benchmarks.command import RESULTS, Benchmark
from benchmarks.table import read_rows

every_benchmark = pytest.mark.parametrize(
    "benchmark", [each.BENCHMARK for each in (data, quality, serving, speed, tuning)], ids=lambda each: each.name
)


@every_benchmark
def test_every_row_is_of_a_figure_that_can_be_measured_again(benchmark: Benchmark) -> None:
    rows = read_rows(RESULTS / f"{benchmark.name}.json")
    assert rows
    assert {row["row"] for row in rows} <= set(benchmark.figures)


@every_benchmark
def test_the_page_has_these_rows(benchmark: Benchmark) -> None:
    page = RESULTS / f"{benchmark.name}.md"
    assert page.read_text() == benchmark.page(read_rows(page.with_suffix(".json")))
