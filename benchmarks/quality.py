"""Does it reach the paper's numbers? `python -m benchmarks.quality` (many hours; it goes on where it stopped).

On MovieLens-1M with the paper's own split: settings are searched and epochs chosen on the validation holdout, the
models are trained anew on train and validation together, and the test holdout is read once. Every answer is kept in
`benchmarks` in ncf's cache, and the studies too. Results: benchmarks/results/quality.md, quality.json and pictures.
The three files of the paper's authors are looked for in $NCF_ML_1M.
"""

from benchmarks.command import Benchmark, Picture
from benchmarks.figures.quality import pictures, table

INTRO = (
    "Written by `python -m benchmarks.quality`. The peer is what is published on the same split; ratio is ours / peer."
    "\n\n![Sizes, ours beside the paper's](quality-factors.png)\n\n![HR by length of list](quality-lengths.png)\n\n"
    "![Loss and HR by epoch](quality-epochs.png)\n\n![Alpha](quality-alpha.png)\n\n"
    "![Number of negatives](quality-negatives.png)"
)
BENCHMARK = Benchmark(
    "quality",
    "Quality",
    INTRO,
    "Only to be known",
    {
        "paper": table.paper,
        "best": table.best,
        "full-ml-100k": table.full_ml_100k,
        "full-ml-1m": table.full_ml_1m,
        "effects": table.effects,
    },
    {
        "quality-factors.png": Picture("paper", pictures.factors),
        "quality-lengths.png": Picture("paper", pictures.lengths),
        "quality-epochs.png": Picture("paper", pictures.epochs),
        "quality-alpha.png": Picture("paper", pictures.alpha),
        "quality-negatives.png": Picture("effects", pictures.negatives),
    },
)

if __name__ == "__main__":
    BENCHMARK.run(__doc__)
