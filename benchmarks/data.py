"""How fast is a log prepared, compared with RecBole? `python -m benchmarks.data` (2 cores, 24 GB).

The rows of up to 25 million with pandas take about 20 minutes; those of 100 million and of Spark were not run yet.
Each figure is measured in separate processes; RecBole runs in `.venv-peers/`, which is created on first use. Results:
benchmarks/results/data.md and data.json.
"""

from collections.abc import Callable

from benchmarks.bench import Bench
from benchmarks.command import Benchmark
from benchmarks.figures import data
from benchmarks.table import Row

FIGURES: dict[str, Callable[[Bench], list[Row]]] = {
    "1m": data.one_million,
    "5m": data.five_million,
    "25m": data.twenty_five_million,
    "100m": data.one_hundred_million,
    "spark-25m": data.spark_twenty_five_million,
    "spark-100m": data.spark_one_hundred_million,
    "growth": data.growth,
}
INTRO = (
    "Written by `python -m benchmarks.data`. The peer is RecBole 1.2.1, run on the same rows in the same run; ratio is "
    "ours / peer. The target applies to the ratio if there is a peer, otherwise to ours."
)
BENCHMARK = Benchmark("data", "Preparing a log", INTRO, "Figures without a target", FIGURES)

if __name__ == "__main__":
    BENCHMARK.run(__doc__)
