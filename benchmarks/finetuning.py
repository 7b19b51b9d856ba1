"""How should NeuMF train on after pretraining? `python -m benchmarks.finetuning` (about 10 minutes on one core).

For each seed GMF and MLP are trained on MovieLens-100K with the default settings and fused with alpha 0.5; then each
optimizer and learning rate continues from the same start. Evaluated on the validation holdout alone.
"""

from copy import deepcopy
from pathlib import Path

import numpy as np

from ncf.config import FineTuning, GMFRecipe, MLPRecipe
from ncf.data.config import FilterConfig
from ncf.data.filters import filter_ratings
from ncf.data.interactions import to_interactions
from ncf.data.prepared import PreparedData
from ncf.data.splits import leave_one_out
from ncf.evaluation.ranking import HoldoutRanker
from ncf.files import write_json
from ncf.ingest.config import MovieLensSource
from ncf.ingest.load import load_ratings
from ncf.models.build import build_model
from ncf.models.gmf import GMF
from ncf.models.mlp import MLP
from ncf.models.neumf import NeuMF
from ncf.prepare import prepare_split
from ncf.training.fit import fit

RESULTS = Path(__file__).parent / "results"
SEEDS = (0, 1, 2)
CHOICES = [
    FineTuning(optimizer="sgd", learning_rate=0.001),
    FineTuning(optimizer="sgd", learning_rate=1.0),
    FineTuning(optimizer="sgd", learning_rate=10.0),
    FineTuning(optimizer="adam", learning_rate=0.0001),
    FineTuning(optimizer="adam", learning_rate=0.0003),
    FineTuning(optimizer="adam", learning_rate=0.001),
    FineTuning(optimizer="adam", learning_rate=0.003),
]


def main() -> None:
    """Train, print and write benchmarks/results/finetuning.{md,json}."""
    data = prepare_split(
        "ml-100k", leave_one_out(to_interactions(filter_ratings(load_ratings(MovieLensSource()), FilterConfig())))
    )
    runs = [run for seed in SEEDS for run in run_seed(data, seed)]
    write_json(RESULTS / "finetuning.json", runs)
    (RESULTS / "finetuning.md").write_text(as_markdown(runs), encoding="utf-8")
    print(as_markdown(runs))  # noqa: T201


def run_seed(data: PreparedData, seed: int) -> list[dict[str, object]]:
    """Pretrain once, then continue with every choice."""
    parts = []
    for recipe in (GMFRecipe(), MLPRecipe()):
        model = build_model(recipe.model, data.num_users, data.num_items, seed)
        parts.append(fit(model, data, recipe.training, seed=seed, title=recipe.model.kind))
    gmf, mlp = (training.model for training in parts)
    assert isinstance(gmf, GMF) and isinstance(mlp, MLP)
    start = NeuMF.from_pretrained(gmf, mlp, alpha=0.5)
    before = HoldoutRanker(data, "validation").rank_all(start.eval()).summary()["full/ndcg_at_10"].value
    runs: list[dict[str, object]] = []
    for choice in CHOICES:
        training = fit(deepcopy(start), data, choice, seed=seed, title=f"{choice.optimizer} {choice.learning_rate}")
        runs.append(
            {
                "seed": seed,
                "optimizer": choice.optimizer,
                "learning_rate": choice.learning_rate,
                "gmf": parts[0].best_validation,
                "mlp": parts[1].best_validation,
                "start": before,
                "end": training.best_validation,
                "best_epoch": training.best_epoch,
                "epochs": training.epochs,
            }
        )
    return runs


def as_markdown(runs: list[dict[str, object]]) -> str:
    """One row per choice, the mean over the seeds."""

    def mean(rows: list[dict[str, object]], key: str) -> float:
        return float(np.mean([float(str(row[key])) for row in rows]))

    lines = [
        "Validation NDCG@10 (full ranking), MovieLens-100K, mean of seeds "
        f"{', '.join(map(str, SEEDS))}; written by `python -m benchmarks.finetuning`.",
        "",
        f"GMF {mean(runs, 'gmf'):.4f}, MLP {mean(runs, 'mlp'):.4f}, fused without further training "
        f"{mean(runs, 'start'):.4f}.",
        "",
        "| optimizer | learning rate | best NDCG@10 | gain | best epoch |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for choice in CHOICES:
        rows = [
            run for run in runs if (run["optimizer"], run["learning_rate"]) == (choice.optimizer, choice.learning_rate)
        ]
        gain = mean(rows, "end") - mean(rows, "start")
        lines.append(
            f"| {choice.optimizer} | {choice.learning_rate:g} | {mean(rows, 'end'):.4f} | {gain:+.4f} "
            f"| {mean(rows, 'best_epoch'):.1f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
