"""Preparation by Dask: a large log through workers of little memory."""

from benchmarks.bench import QUICK, Bench
from benchmarks.figures.data import ML_25M, QUICK_SHAPES
from benchmarks.table import Row

WORKERS, WORKER_MEMORY_MB = 2, 1_500
QUICK_MEMORY_MB = 500


def dask(bench: Bench) -> list[Row]:
    """The log of MovieLens 25M's shape, and the same by pandas for its fingerprint."""
    quick = bench.sizes == QUICK
    shape = QUICK_SHAPES["25m"] if quick else ML_25M
    memory = QUICK_MEMORY_MB if quick else WORKER_MEMORY_MB
    folder = bench.folder / "dask"
    log = bench.ours("make_log", shape, folder=str(folder), threads=bench.cores)["csv"]
    pandas = bench.ours("prepare", path=log, folder=str(folder / "pandas"), threads=bench.cores)
    job = {"path": log, "folder": str(folder / "dask"), "cache": str(folder / "cache"), "threads": bench.cores}
    ours = bench.ours("prepare_by_dask", workers=WORKERS, worker_memory_mb=memory, **job)
    bench.remove(folder)
    same = ours["fingerprint"] == pandas["fingerprint"]
    what = f"{shape.num_interactions:,} rows by {WORKERS} Dask workers of {memory:,} MB"
    note = (
        "from a CSV file to the prepared data on disk, workers started and stopped included; "
        f"pandas took {pandas['seconds']:.1f} s and {pandas['peak_mb'] / 1000:.1f} GB. The process that starts the "
        f"workers, and has the pairs in the end, took {ours['peak_mb'] / 1000:.1f} GB beside them. The log: {shape}"
    )
    rest = (None, note, bench.measured)
    worker_gb = ours["worker_peak_mb"] / 1000
    return [
        Row("dask", f"{what}: seconds", "s", ours["seconds"], None, "", bench.cores, *rest),
        Row("dask", f"{what}: peak memory of a worker", "GB", worker_gb, None, f"<= {memory / 1000}", 1, *rest),
        Row("dask", f"{what}: fingerprints that are those of pandas", "", float(same), None, ">= 1", None, *rest),
    ]
