"""How fast does the HTTP service answer? `python -m benchmarks.serving` (about 11 minutes on 2 idle cores).

The service is a process of its own, asked by wrk (`apt-get install wrk`) where it is installed, else by a Python
process, while another version becomes the champion; and a rollback is timed. Results: benchmarks/results/serving.md and
serving.json.
"""

from collections.abc import Callable

from benchmarks.bench import Bench
from benchmarks.command import Benchmark
from benchmarks.figures import rollback, serving
from benchmarks.table import Row

FIGURES: dict[str, Callable[[Bench], list[Row]]] = {
    "gmf": serving.gmf,
    "neumf": serving.neumf,
    "fold-in": serving.fold_in,
    "rollback": rollback.rollback,
}
INTRO = "Written by `python -m benchmarks.serving`. There is no peer; `must` is about ours."
BENCHMARK = Benchmark("serving", "The HTTP service", INTRO, "Only to be known", FIGURES)

if __name__ == "__main__":
    BENCHMARK.run(__doc__)
