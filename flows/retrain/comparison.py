"""What the pictures of a comparison show, as plain values read back from the models' runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from flows.retrain.measure import kept_ranks
from flows.tracking.keys import COLUMNS, PROTOCOLS
from flows.tracking.tracking import ModelRun, Tracker
from ncf.data.prepared import PreparedData
from ncf.evaluation.comparison import PROMOTION_METRIC
from ncf.evaluation.evaluate import difference_table
from ncf.evaluation.metrics import Values, hit
from ncf.evaluation.ranking import Ranks

LONGEST_LIST = 20


@dataclass(frozen=True)
class Compared:
    """Models and baselines on the test holdout.

    Attributes:
        dataset: its name.
        names: of the models, in the table's order, then of what serves already; the first is the reference of the
            differences.
        bars: by metric's title and model, the mean and half its 95 % interval.
        hits: by protocol and model, HR@1 to HR@20, float64[20].
        differences: NDCG@10 (full ranking) less the reference's by group: see ncf.evaluation.evaluate.difference_table.
    """

    dataset: str
    names: Sequence[str]
    bars: Mapping[str, Mapping[str, tuple[float, float]]]
    hits: Mapping[str, Mapping[str, Values]]
    differences: pd.DataFrame

    @property
    def reference(self) -> str:
        """What the differences are taken from."""
        return self.names[0]


def compared(
    tracker: Tracker,
    models: Sequence[ModelRun],
    data: PreparedData,
    serving: Mapping[str, Ranks] = MappingProxyType({}),
) -> Compared:
    """Read what a comparison needs.

    Args:
        tracker: where the models are kept.
        models: the first is the reference.
        data: the prepared data set.
        serving: what serves already, ranked on the same holdout.
    """
    ranks = {**{model.name: kept_ranks(tracker, model) for model in models}, **serving}
    values = {name: kept.values()[PROMOTION_METRIC] for name, kept in ranks.items()}
    reference = values.pop(models[0].name)
    return Compared(
        dataset=tracker.dataset,
        names=list(ranks),
        bars={title: _bars(models, serving, key) for title, key in COLUMNS.items()},
        hits={protocol: {name: _hits(kept, protocol) for name, kept in ranks.items()} for protocol in PROTOCOLS},
        differences=difference_table(values, reference, data, "test"),
    )


def _bars(models: Sequence[ModelRun], serving: Mapping[str, Ranks], key: str) -> dict[str, tuple[float, float]]:
    means = {name: ranks.summary()[key.removeprefix("test/")] for name, ranks in serving.items()}
    return {
        **{model.name: (model.metrics[key], model.metrics[f"{key}_ci95"]) for model in models},
        **{name: (mean.value, mean.high - mean.value) for name, mean in means.items()},
    }


def _hits(ranks: Ranks, protocol: str) -> Values:
    of_users = ranks.full if protocol == "full" else ranks.sampled
    return np.array([hit(of_users, k).mean() for k in range(1, LONGEST_LIST + 1)])


def groups_in_words(rows: pd.DataFrame) -> list[str]:
    """Ticks such as "3-17<br>236 users", a range of interactions and its users: one for each group of one kind."""
    first = rows.drop_duplicates("group")
    return [
        f"{row['from']}-{row['to']}<br>{row['users']} users"
        for row in first[["from", "to", "users"]].to_dict("records")
    ]
