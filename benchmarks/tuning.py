"""What does tuning find in a fixed time? `python -m benchmarks.tuning` (about 25 minutes on an idle machine).

Our search (TPE with median pruning) beside plain random search without pruning: GMF on MovieLens-100K, 4 minutes per
study, 3 seeds, each study in a separate process with one thread. Results: benchmarks/results/tuning.md, tuning.json
and tuning.png.
"""

from benchmarks.command import Benchmark, Picture
from benchmarks.figures import tuning

INTRO = (
    "Written by `python -m benchmarks.tuning`. The peer is random search without pruning for the same time; ratio is "
    "ours / peer, and the target applies to it."
)
BENCHMARK = Benchmark(
    "tuning",
    "What tuning finds in a fixed time",
    INTRO,
    "Figures without a target",
    {"tuning": tuning.tuning},
    {"tuning.png": Picture("tuning", "Best validation NDCG@10 over time", tuning.picture)},
)

if __name__ == "__main__":
    BENCHMARK.run(__doc__)
