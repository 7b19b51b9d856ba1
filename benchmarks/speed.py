"""How fast is ncf, compared with RecBole? `python -m benchmarks.speed` (about 40 minutes, 2 idle cores).

Each figure is measured in separate processes with a fixed number of threads; RecBole runs in `.venv-peers/`, which is
created on first use. Results: benchmarks/results/speed.md and speed.json.
"""

from collections.abc import Callable

from benchmarks.bench import Bench
from benchmarks.command import Benchmark
from benchmarks.figures import grid, machine, scoring, training
from benchmarks.table import Row

FIGURES: dict[str, Callable[[Bench], list[Row]]] = {
    "batch-256": training.small_batch,
    "best": training.best_batch,
    "recbole-default": training.recbole_default,
    "grid": grid.grid,
    "candidates": scoring.candidates,
    "full": scoring.full_ranking,
    "top-10": scoring.top_10,
    "top-10-file": scoring.top_10_file,
    "until": training.until_target,
    "memory": training.memory,
    "growth": training.growth,
    "profile": machine.profile,
    "limits": machine.limits,
}
INTRO = (
    "Written by `python -m benchmarks.speed`. The peer is RecBole 1.2.1, run on the same log in the same run; ratio is "
    "ours / peer. The target applies to the ratio if there is a peer, otherwise to ours."
)


BENCHMARK = Benchmark("speed", "Speed", INTRO, "Profile and limits of the machine", FIGURES)

if __name__ == "__main__":
    BENCHMARK.run(__doc__)
