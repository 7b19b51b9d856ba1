"""Models beside baselines, in one table."""

from collections.abc import Mapping, Sequence

import pandas as pd

from ncf.data.prepared import PreparedData
from ncf.evaluation.baselines import ItemKNN, Popularity
from ncf.evaluation.evaluate import evaluate
from ncf.evaluation.ranking import Scorer, SplitName

SHOWN = ("full/hr_at_10", "full/ndcg_at_10", "sampled/hr_at_10", "sampled/ndcg_at_10")


def compare(
    models: Mapping[str, Scorer],
    data: PreparedData,
    split: SplitName = "test",
    *,
    metrics: Sequence[str] = SHOWN,
    baselines: bool = True,
) -> pd.DataFrame:
    """Evaluate models on the same holdout, with popularity and item-kNN in the first rows.

    The test holdout is for the last word: choose settings by split="validation".

    Args:
        models: trained models, or anything else that scores, by the names they have in the table.
        data: the prepared data set.
        split: "validation" or "test".
        metrics: keys such as "full/ndcg_at_10" (docs/metrics.md): full ranks the held-out item among all that the user
            has not seen, sampled among 99 of them, as the paper does.
        baselines: whether popularity and item-kNN are in the table.

    Returns:
        One row a model: each metric's mean over the users, and with `_ci95` half the width of its 95 % interval.
    """
    scorers: dict[str, Scorer] = {}
    if baselines:
        scorers |= {"popularity": Popularity(data), "item-knn": ItemKNN(data)}
    figures = {name: evaluate(scorer, data, split).figures() for name, scorer in (scorers | dict(models)).items()}
    table = pd.DataFrame.from_dict(figures, orient="index").rename_axis("model")
    return table[[column for key in metrics for column in (key, f"{key}_ci95") if column in table]]
