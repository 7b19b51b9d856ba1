"""Does it reach the paper's numbers? `python -m benchmarks.quality` (many hours; it goes on where it stopped).

On MovieLens-1M with the paper's own split: settings are searched and epochs chosen on the validation holdout, the
models are trained anew on train and validation together, and the test holdout is read once. Every answer is kept in
`benchmarks` in ncf's cache, and the studies too. Results: benchmarks/results/quality.md, quality.json and pictures.
The three files of the paper's authors are looked for in $NCF_ML_1M.
"""

from benchmarks.command import Benchmark, Picture
from benchmarks.figures.quality import pictures, table

INTRO = (
    "Written by `python -m benchmarks.quality`; docs/quality.md says how. The peer is what is published on the same "
    "split, or iALS in the same run; ratio is ours / peer."
)
BENCHMARK = Benchmark(
    "quality",
    "Quality",
    INTRO,
    "Only to be known",
    {
        "paper": table.paper,
        "paper-neumf": table.paper_neumf,
        "best": table.best,
        "full-ml-100k": table.full_ml_100k,
        "full-ml-1m": table.full_ml_1m,
        "effects": table.effects,
    },
    {
        "quality-factors.png": Picture("paper", "Sizes, ours beside the paper's", pictures.factors),
        "quality-pretraining.png": Picture("paper-neumf", "With and without pretraining", pictures.pretraining),
        "quality-lengths.png": Picture("paper", "HR by length of list", pictures.lengths),
        "quality-epochs.png": Picture("paper", "Loss and HR by epoch", pictures.epochs),
        "quality-alpha.png": Picture("paper", "GMF and MLP fused with each alpha", pictures.alpha),
        "quality-negatives.png": Picture("effects", "Number of drawn negatives", pictures.negatives),
    },
)

if __name__ == "__main__":
    BENCHMARK.run(__doc__)
