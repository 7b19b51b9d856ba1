"""Evaluation and recommendation: users/s, seconds and memory."""

from statistics import median

from benchmarks.bench import Bench
from benchmarks.figures.training import NEUMF_8
from benchmarks.table import Row

SETTINGS = {**NEUMF_8, "batch_size": 2_048}


def candidates(bench: Bench) -> list[Row]:
    """Rank each user's held-out item among 99 sampled items, compared with RecBole's uni99."""
    ours = bench.ours("evaluate", **SETTINGS, protocol="sampled", threads=1, repeats=bench.sizes.repeats)
    peer = bench.peer("evaluate", **SETTINGS, threads=1, repeats=bench.sizes.repeats)
    seconds = ours["draw_seconds"] + ours["rank_seconds"]
    note = (
        f"{ours['users']} users of {bench.sizes.log}, median of {bench.sizes.repeats}. Ours: drawing the candidates "
        f"({ours['draw_seconds']:.2f} s), then HoldoutRanker from prepared data to mean HR and NDCG "
        f"({ours['rank_seconds']:.2f} s), by the sampled protocol alone. RecBole: Trainer.evaluate, which draws and "
        "ranks"
    )
    rates = ours["users"] / seconds, peer["users"] / median(peer["seconds"])
    figure = "evaluation, 1 + 99 candidates a user, NeuMF-8"
    return [Row("candidates", figure, "users/s", *rates, ">= 10", 1, None, note, bench.measured)]


def full_ranking(bench: Bench) -> list[Row]:
    """Rank each user's held-out item among all items."""
    results = {
        n: bench.ours("evaluate", **SETTINGS, protocol="full", threads=n, repeats=bench.sizes.repeats)
        for n in bench.thread_choices
    }
    seconds = {threads: result["rank_seconds"] for threads, result in results.items()}
    best = min(seconds, key=lambda threads: seconds[threads])
    tried = ", ".join(f"{value:.2f} s with {threads}" for threads, value in seconds.items())
    note = (
        f"HoldoutRanker from prepared data to mean HR and NDCG of both protocols, {bench.sizes.log}, median of "
        f"{bench.sizes.repeats}; best number of threads ({tried})"
    )
    figure = "full ranking, every user over every item, NeuMF-8"
    return [Row("full", figure, "s", seconds[best], None, "<= 2", best, None, note, bench.measured)]


def top_10(bench: Bench) -> list[Row]:
    """The top 10 of every user of a large log, from a saved bundle: time and memory."""
    how = "recommend for every user of a"
    return _every_user(bench, "recommend", "top-10", "top 10 of every user", how)


def top_10_file(bench: Bench) -> list[Row]:
    """The same, written block by block into a Parquet file."""
    how = "write_lists, block by block into a Parquet file, for every user of a"
    return _every_user(bench, "write", "top-10-file", "top 10 of every user into a Parquet file", how)


def _every_user(bench: Bench, task: str, name: str, figure: str, how: str) -> list[Row]:
    shape, folder = bench.sizes.larger, str(bench.folder / "bundle")
    if not (bench.folder / "bundle").exists():
        bench.ours("make_bundle", shape, **SETTINGS, threads=1, folder=folder)
    results = {n: bench.ours(task, shape, threads=n, folder=folder) for n in bench.thread_choices}
    best = min(results, key=lambda threads: results[threads]["seconds"])
    result = results[best]
    tried = ", ".join(f"{result['seconds']:.0f} s with {threads}" for threads, result in results.items())
    note = (
        f"a process of its own: Recommender.load ({result['load_seconds']:.0f} s) and {how} {shape}, what each has "
        f"seen left out; best number of threads ({tried}); memory is the process's peak, in 10^9 bytes"
    )
    measured, peak = bench.measured, result["peak_mb"] / 1000
    return [
        Row(name, f"{figure}, NeuMF-8", "s", result["seconds"], None, "<= 600", best, None, note, measured),
        Row(name, f"{figure}, peak memory", "GB", peak, None, "<= 2", best, None, note, measured),
    ]
