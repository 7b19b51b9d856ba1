"""The default beside torch's steps, for a grid of trainings and for every instruction set that the machine executes."""

from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures.training import RECBOLE_DEFAULT, samples_per_second
from benchmarks.table import Row

# GCC's and Clang's name of a processor, and the flags of /proc/cpuinfo that a machine needs to execute code for it
INSTRUCTION_SETS = {
    "AVX-512": ("x86-64-v4", {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
    "AVX2": ("x86-64-v3", {"avx2", "fma", "bmi1", "bmi2", "f16c", "movbe"}),
}
MODELS: dict[str, dict[str, Any]] = {
    "GMF-8": {"kind": "gmf", "embedding_dim": 8},
    "GMF-64": {"kind": "gmf", "embedding_dim": 64},
    "GMF-192": {"kind": "gmf", "embedding_dim": 192},
    "MLP 64-32-16": {"kind": "mlp", "layers": [64, 32, 16]},
    "MLP 256-128-64": {"kind": "mlp", "layers": [256, 128, 64], "dropout": 0.2},
    "NeuMF-8": {"kind": "neumf", "embedding_dim": 8, "layers": [64, 32, 16, 8]},
    "NeuMF-64": {"kind": "neumf", "embedding_dim": 64, "layers": [256, 128, 64], "dropout": 0.2},
    "RecBole's default": {
        "kind": "neumf",
        **{key: RECBOLE_DEFAULT[key] for key in ("embedding_dim", "layers", "dropout")},
    },
}
BATCHES = (256, 2_048, 8_192, 65_536)
SMALLEST_SHARED = 8_192  # batch from which two threads are tried, too: below, the default takes one
NEGATIVES = {"RecBole's default": 1}


def instruction_sets(info: Path = Path("/proc/cpuinfo")) -> dict[str, str]:
    """What the compiler is to build for, by name: all that this machine executes, or its own alone."""
    flags = set(info.read_text(encoding="utf-8").split()) if info.exists() else set()
    return {name: march for name, (march, needed) in INSTRUCTION_SETS.items() if needed <= flags} or {"own": "native"}


def grid(bench: Bench) -> list[Row]:
    """A row for each instruction set: the least rate of the default, relative to the better one of both steps."""
    by_torch = {threads: _rates(bench, threads, compiled=False) for threads in bench.thread_choices}
    rows = []
    for name, march in instruction_sets().items():
        compiled = {threads: _rates(bench, threads, compiled=True, march=march) for threads in by_torch}
        shares: dict[str, float] = {}
        seen = []
        for threads, rates in compiled.items():
            for case, rate in rates.items():
                plain = by_torch[threads][case]
                shares[f"{case}, {threads} thread{'s'[: threads - 1]}"] = rate / max(rate, plain)
                seen.append(f"{case}, {threads}: {rate:.0f} / {plain:.0f}")
        worst = min(shares, key=lambda case: shares[case])
        note = (
            f"compiled for {march}; fit() from one validation's end to the next one's beginning, on "
            f"{bench.sizes.grid}; worst: {worst}; thousand samples/s (model, batch, threads: compiled / torch): "
            f"{'; '.join(seen)}"
        )
        figure = f"{len(shares)} trainings, {name}: least rate of the default / better of compiled and torch"
        rows.append(Row("grid", figure, "", shares[worst], None, ">= 0.95", None, None, note, bench.measured))
    return rows


def cases(threads: int) -> dict[str, dict[str, Any]]:
    """The trainings for a number of threads, by model and batch."""
    return {
        f"{name}, {batch}": {"model": model, "batch_size": batch, "num_negatives": NEGATIVES.get(name, 4)}
        for name, model in MODELS.items()
        for batch in BATCHES
        if threads == 1 or batch >= SMALLEST_SHARED
    }


def _rates(bench: Bench, threads: int, *, compiled: bool, march: str = "native") -> dict[str, float]:
    """Thousand samples/s of each case."""
    wanted = cases(threads)
    settings = {"threads": threads, "epochs": bench.sizes.epochs, "compile": compiled, "march": march}
    found = bench.ours("grid", bench.sizes.grid, cases=list(wanted.values()), **settings)["results"]
    return {case: samples_per_second(result) for case, result in zip(wanted, found, strict=True)}
