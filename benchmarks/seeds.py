"""How much do models vary by seed, relative to users? `python -m benchmarks.seeds` (30 minutes, one core).

Each model is trained on MovieLens-100K with its default settings and 40 seeds. The first 20 estimate how much
wider than by users alone the interval of the promotion rule must be; the rule is then applied to every ordered pair of
the other 20, with and without the widening. Results: benchmarks/results/seeds.md and seeds.json.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import torch

from ncf.config import GMFRecipe, MLPRecipe, NeuMFRecipe
from ncf.data.config import FilterConfig
from ncf.data.filters import filter_ratings
from ncf.data.interactions import to_interactions
from ncf.data.prepared import PreparedData
from ncf.data.splits import leave_one_out
from ncf.evaluation.comparison import PROMOTION_METRIC
from ncf.evaluation.config import PromotionConfig
from ncf.evaluation.metrics import Values
from ncf.evaluation.promotion import gain_over
from ncf.evaluation.ranking import HoldoutRanker
from ncf.files import write_json
from ncf.ingest.config import MovieLensSource
from ncf.ingest.load import load_ratings
from ncf.models.build import build_model
from ncf.prepare import prepare_split
from ncf.training.fit import fit

RESULTS = Path(__file__).parent / "results"
ESTIMATION_SEEDS, PROMOTION_SEEDS = range(20), range(20, 40)
RECIPES = (GMFRecipe(), MLPRecipe(), NeuMFRecipe())


@dataclass(frozen=True)
class Spread:
    """The variation of one model over seeds.

    Attributes:
        model: gmf, mlp or neumf.
        mean: NDCG@10 (full ranking, test holdout), mean over the estimation seeds.
        between_seeds: standard deviation of a model's mean over them.
        from_users: the same if only the sampling of users caused it: the standard error of the difference between two
            seeds' means, divided by sqrt(2), root mean square over all pairs.
        by_users: share of the ordered pairs of promotion seeds in which one model would replace the other, without
            widening.
        by_default: the same at the default settings.
    """

    model: str
    mean: float
    between_seeds: float
    from_users: float
    by_users: float
    by_default: float

    @property
    def widening(self) -> float:
        """How many times wider than by users alone the interval must be."""
        return self.between_seeds / self.from_users


def main() -> None:
    """Train, print and write benchmarks/results/seeds.{md,json}."""
    torch.set_num_threads(1)
    data = prepare_split(
        "ml-100k", leave_one_out(to_interactions(filter_ratings(load_ratings(MovieLensSource()), FilterConfig())))
    )
    spreads = [
        spread(recipe.model.kind, *(train_seeds(data, recipe, seeds) for seeds in (ESTIMATION_SEEDS, PROMOTION_SEEDS)))
        for recipe in RECIPES
    ]
    write_json(RESULTS / "seeds.json", [asdict(each) | {"widening": each.widening} for each in spreads])
    (RESULTS / "seeds.md").write_text(as_markdown(spreads), encoding="utf-8")
    print(as_markdown(spreads))  # noqa: T201


def train_seeds(data: PreparedData, recipe: GMFRecipe | MLPRecipe | NeuMFRecipe, seeds: range) -> list[Values]:
    """NDCG@10 by test user, of each seed's model."""
    ranker = HoldoutRanker(data, "test")
    values = []
    for seed in seeds:
        model = build_model(recipe.model, data.num_users, data.num_items, seed)
        training = fit(model, data, recipe.training, seed=seed, title=f"{recipe.model.kind}, seed {seed}")
        values.append(ranker.rank_all(training.model).values()[PROMOTION_METRIC])
    return values


def spread(model: str, values: Sequence[Values], others: Sequence[Values]) -> Spread:
    """The variation over seeds and over users, and the share of promotions."""
    means = np.array([each.mean() for each in values])
    variances = [(ours - theirs).var(ddof=1) / len(ours) / 2 for ours, theirs in combinations(values, 2)]
    return Spread(
        model,
        float(means.mean()),
        float(means.std(ddof=1)),
        float(np.sqrt(np.mean(variances))),
        share_promoted(others, PromotionConfig(seed_widening=1.0)),
        share_promoted(others, PromotionConfig()),
    )


def share_promoted(values: Sequence[Values], config: PromotionConfig) -> float:
    """Share of the ordered pairs in which the first model would replace the second."""
    return float(np.mean([gain_over(ours, theirs, config).low > 0 for ours, theirs in permutations(values, 2)]))


def as_markdown(spreads: Sequence[Spread]) -> str:
    """One row per model."""
    lines = [
        "NDCG@10 (full ranking) on the test holdout of MovieLens-100K, default settings; "
        f"seeds {_words(ESTIMATION_SEEDS)} for the widening, ordered pairs of {_words(PROMOTION_SEEDS)} for the shares "
        "promoted; written by `python -m benchmarks.seeds`.",
        "",
        "| model | mean | standard deviation over seeds | by users alone it would be | widening "
        "| promoted by users alone | promoted by default |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {each.model} | {each.mean:.4f} | {each.between_seeds:.4f} | {each.from_users:.4f} | {each.widening:.2f} "
        f"| {each.by_users:.1%} | {each.by_default:.1%} |"
        for each in spreads
    ]
    return "\n".join(lines) + "\n"


def _words(seeds: range) -> str:
    return f"{seeds[0]} to {seeds[-1]}"


if __name__ == "__main__":
    main()
