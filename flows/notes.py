"""What a run or a registered version says of itself in words; MLflow shows it as the description."""

from collections.abc import Mapping

from flows.keys import BEST_EPOCH, COLUMNS, EPOCHS
from ncf.data.prepared import PreparedData

MEANINGS = {
    "popularity": "Every user gets the items with the most train interactions: what any model has to beat.",
    "item-knn": "An item's score is the summed similarity of its nearest items that the user has in train.",
    "ials": "Matrix factorisation by alternating least squares over all unobserved pairs (Hu et al., 2008).",
    "gmf": "Generalised Matrix Factorisation: a weighted product of a user's and an item's embedding (He et al., 2017, "
    "eq. 8-9).",
    "mlp": "A multi-layer perceptron over a user's and an item's embedding (He et al., 2017, eq. 10).",
    "neumf": "NeuMF: GMF and MLP side by side under one output layer (He et al., 2017, eq. 12), trained from scratch.",
    "neumf-pretrained": "NeuMF that starts from the trained GMF and MLP (He et al., 2017, eq. 13) and trains on.",
}


def model_notes(name: str, metrics: Mapping[str, float], data: PreparedData) -> str:
    """What a model or baseline is, what it was fitted to, and its figures on the test holdout, as markdown.

    Args:
        name: as in the table of a retraining.
        metrics: under their keys, such as "test/full/ndcg_at_10", with their `_ci95`.
        data: the prepared data set.
    """
    learned = BEST_EPOCH in metrics
    kept = f" Epoch {metrics[BEST_EPOCH]:.0f} of {metrics[EPOCHS]:.0f} was kept." if learned else ""
    cells = [f"{metrics[key]:.4f} ±{metrics[f'{key}_ci95']:.4f}" for key in COLUMNS.values()]
    rows = [list(COLUMNS), ["---:"] * len(COLUMNS), cells]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return (
        f"{MEANINGS[name]}\n\nFitted to {len(data.train):,} train interactions of {data.num_users:,} users and "
        f"{data.num_items:,} items of {data.name} (`{data.fingerprint[:12]}`).{kept}\n\n{table}\n\n"
        "Test holdout; ± is half the 95 % interval over users.\n"
    )
