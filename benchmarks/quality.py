"""Does it reach the paper's numbers? `python -m benchmarks.quality` (many hours; an interrupted run resumes).

On MovieLens-1M with the paper's split: settings and epochs are chosen on the validation holdout, the models are trained
again on train and validation together, and the test holdout is evaluated once. The results of all jobs and the studies
are cached in `benchmarks` in ncf's cache. Results: benchmarks/results/quality.md, quality.json and plots. $NCF_ML_1M
names the folder of the paper's three files.
"""

from benchmarks.command import Benchmark, Picture
from benchmarks.figures.quality import pictures, table

INTRO = (
    "Written by `python -m benchmarks.quality`; docs/quality.md describes the method. The peer is the figure published "
    "for the same split, or iALS in the same run; ratio is ours / peer."
)
BENCHMARK = Benchmark(
    "quality",
    "Quality",
    INTRO,
    "Figures without a target",
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
        "quality-lengths.png": Picture("paper", "HR by list length", pictures.lengths),
        "quality-epochs.png": Picture("paper", "Loss and HR by epoch", pictures.epochs),
        "quality-alpha.png": Picture("paper", "GMF and MLP fused with each alpha", pictures.alpha),
        "quality-negatives.png": Picture("effects", "Number of drawn negatives", pictures.negatives),
    },
)

if __name__ == "__main__":
    BENCHMARK.run(__doc__)
