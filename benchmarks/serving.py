"""How fast does the HTTP service answer? `python -m benchmarks.serving` (about 11 minutes on 2 idle cores).

wrk (`apt-get install wrk`), or a Python client if it is not installed, sends requests to a service in a process of its
own, while another version becomes the champion; rollbacks are timed as well. Results: benchmarks/results/serving.md and
serving.json.
"""

from collections.abc import Callable

from benchmarks.bench import Bench
from benchmarks.command import Benchmark
from benchmarks.figures import serving
from benchmarks.table import Row

FIGURES: dict[str, Callable[[Bench], list[Row]]] = {
    "gmf": serving.gmf,
    "neumf": serving.neumf,
    "fold-in": serving.fold_in,
    "rollback": serving.rollback,
}
INTRO = "Written by `python -m benchmarks.serving`. There is no peer; the target applies to ours."
BENCHMARK = Benchmark("serving", "The HTTP service", INTRO, "Figures without a target", FIGURES)

if __name__ == "__main__":
    BENCHMARK.run(__doc__)
