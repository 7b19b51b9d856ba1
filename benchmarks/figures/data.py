"""Preparation: seconds and memory from a file to a prepared data set, by number of rows."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from benchmarks.bench import QUICK, Bench, Result
from benchmarks.datasets import Shape
from benchmarks.table import Row

ML_25M = Shape(162_541, 59_047, 25_000_095)
SHAPES = {
    "1m": Shape(6_500, 11_800, 1_000_000),
    "5m": Shape(32_500, 26_400, 5_000_000),
    "25m": ML_25M,
    "100m": Shape(650_000, 118_000, 100_000_000),
}
QUICK_SHAPES = {
    "1m": Shape(200, 400, 10_000),
    "5m": Shape(1_000, 900, 50_000),
    "25m": Shape(2_000, 1_200, 100_000),
    "100m": Shape(4_000, 1_500, 200_000),
}
EXECUTOR_MB = 1536
SECONDS_MUST = {"1m": "<= 4", "25m": "<= 60", "spark-100m": "<= 900"}
MEMORY_MUST = {"25m": "<= 4"}
COUNTED = (
    "from a file with user, item, rating and time (ours: CSV; RecBole: its .inter, the same rows) to the prepared "
    "data: read, checked, numbered, split leave-one-out by time; ours also draws the 99 candidates of both holdouts, "
    "hashes the content and writes it to disk, RecBole makes its loaders. Median of {repeats} of ours. Imports are not "
    "counted in seconds; memory is the whole process's peak"
)


@dataclass(frozen=True)
class Sides:
    """The results of both sides on one log."""

    ours: Result
    peer: Result | None
    repeats: int


def one_million(bench: Bench) -> list[Row]:
    """A log of a million rows."""
    return _rows(bench, "1m")


def five_million(bench: Bench) -> list[Row]:
    """A log of 5 million rows."""
    return _rows(bench, "5m")


def twenty_five_million(bench: Bench) -> list[Row]:
    """A log of MovieLens 25M's shape."""
    return _rows(bench, "25m")


def one_hundred_million(bench: Bench) -> list[Row]:
    """A log of a hundred million rows, which RecBole has no memory for."""
    return _rows(bench, "100m")


def spark_twenty_five_million(bench: Bench) -> list[Row]:
    """The log of MovieLens 25M's shape with Spark; the data set must be that of pandas."""
    return _spark_rows(bench, "25m", compare=True)


def spark_one_hundred_million(bench: Bench) -> list[Row]:
    """A log of a hundred million rows with Spark."""
    return _spark_rows(bench, "100m", compare=False)


def growth(bench: Bench) -> list[Row]:
    """Seconds per row on the largest log relative to the smallest."""
    small, large = (_measure(bench, name) for name in ("1m", "25m"))
    ours = _cost(large.ours) / _cost(small.ours)
    peer = _cost(large.peer) / _cost(small.peer) if large.peer and small.peer else float("nan")
    note = f"seconds a row, {SHAPES['25m'].num_interactions:,} rows against a million; RecBole's: {peer:.2f}"
    figure = "cost of a row, 25 million / 1 million"
    return [Row("growth", figure, "", ours, None, "<= 1", bench.cores, None, note, bench.measured)]


def _rows(bench: Bench, name: str) -> list[Row]:
    shape, sides = _shapes(bench)[name], _measure(bench, name)
    ours, peer = sides.ours, sides.peer
    stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in ours["stages"].items())
    note = f"{COUNTED.format(repeats=sides.repeats)}. The log: {shape}. Ours by stage: {stages}"
    what = f"{shape.num_interactions:,} rows"
    threads, day = bench.cores, bench.measured
    [rate, memory, seconds], [peer_rate, peer_memory, peer_seconds] = _figures(ours), _figures(peer)
    rows = [
        Row(name, f"{what}: rows/s", "1000 rows/s", rate, peer_rate, "", threads, None, note, day),
        Row(name, f"{what}: peak memory", "GB", memory, peer_memory, "", threads, None, note, day),
        Row(name, f"{what}: seconds", "s", seconds, peer_seconds, "", threads, None, note, day),
    ]
    if must := SECONDS_MUST.get(name):
        rows.append(Row(name, f"{what}: seconds", "s", ours["seconds"], None, must, threads, None, note, day))
    if must := MEMORY_MUST.get(name):
        rows.append(Row(name, f"{what}: peak memory", "GB", memory, None, must, threads, None, note, day))
    return rows


def _figures(result: Result | None) -> tuple[float | None, float | None, float | None]:
    """1000 rows a second, GB, seconds."""
    if result is None:
        return None, None, None
    return result["rows"] / result["seconds"] / 1000, result["peak_mb"] / 1000, result["seconds"]


def _spark_rows(bench: Bench, name: str, *, compare: bool) -> list[Row]:
    result = _with_spark(bench, name, compare=compare)
    what, row = f"{_shapes(bench)[name].num_interactions:,} rows with Spark", f"spark-{name}"
    stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in result["stages"].items())
    note = (
        f"a log of the same shape, with engine.kind spark: two executors of this machine with {EXECUTOR_MB} MB and a "
        "thread each; the start of Spark is counted, memory is the peak of the driver's Python"
        f"{', and the data set is that of pandas' if compare else ''}. By stage: {stages}"
    )
    _, memory, seconds = _figures(result)
    shared: tuple[Any, ...] = (bench.cores, None, note, bench.measured)
    return [
        Row(row, f"{what}: seconds", "s", seconds, None, SECONDS_MUST.get(row, ""), *shared),
        Row(row, f"{what}: peak memory of the driver", "GB", memory, None, "", *shared),
    ]


def _with_spark(bench: Bench, name: str, *, compare: bool) -> Result:
    """Prepare a log with Spark, in a process of its own with two executors; perhaps with pandas too, to compare."""
    folder, threads = bench.folder / f"spark-{name}", bench.cores
    paths = bench.ours("make_log", _shapes(bench)[name], folder=str(folder), threads=threads, for_peer=False)
    job = {"path": paths["csv"], "folder": str(folder / "prepared"), "threads": threads}
    result = bench.ours("prepare_with_spark", **job, executor_mb=EXECUTOR_MB)
    if compare:
        other = bench.ours("prepare", **job)["fingerprint"]
        if other != result["fingerprint"]:
            raise SystemExit(f"error: pandas prepared {other}, Spark {result['fingerprint']}")
    bench.remove(folder)
    return result


@cache
def _measure(bench: Bench, name: str) -> Sides:
    """Measure both sides on one log, each in a separate process; the log is removed afterwards."""
    folder, threads = bench.folder / name, bench.cores
    with_peer = name != "100m"
    paths = bench.ours("make_log", _shapes(bench)[name], folder=str(folder), threads=threads, for_peer=with_peer)
    repeats = 1 if bench.sizes == QUICK or not with_peer else 3
    ours = [
        bench.ours("prepare", path=paths["csv"], folder=str(folder / f"prepared-{number}"), threads=threads)
        for number in range(repeats)
    ]
    peer = bench.peer_data(folder=paths["inter"], threads=threads) if with_peer else None
    bench.remove(folder)
    middle = sorted(ours, key=lambda result: float(result["seconds"]))[repeats // 2]
    return Sides(middle, peer, repeats)


def _cost(result: Result) -> float:
    return float(result["seconds"]) / float(result["rows"])


def _shapes(bench: Bench) -> dict[str, Shape]:
    return QUICK_SHAPES if bench.sizes == QUICK else SHAPES
