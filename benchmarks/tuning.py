"""What does tuning find in the same minutes? `python -m benchmarks.tuning` (about 25 minutes on an idle machine).

Our search (TPE with median pruning) beside plain random search without pruning: GMF on MovieLens-100K, 4 minutes a
study, 3 seeds, each study in a process of its own with one thread. Results: benchmarks/results/tuning.md, tuning.json
and tuning.png.
"""

from benchmarks.command import Benchmark, Picture
from benchmarks.figures import tuning

INTRO = (
    "Written by `python -m benchmarks.tuning`. The peer is random search without pruning in the same minutes; ratio is "
    "ours / peer, and `must` is about it."
)
BENCHMARK = Benchmark(
    "tuning",
    "What tuning finds in the same minutes",
    INTRO,
    "How it gets there",
    {"tuning": tuning.tuning},
    {"tuning.png": Picture("tuning", "Best so far over the minutes", tuning.picture)},
)

if __name__ == "__main__":
    BENCHMARK.run(__doc__)
