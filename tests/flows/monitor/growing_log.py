"""A log of a shop that goes on after its champion was made."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flows.monitor.settings import MonitorSettings
from ncf.config import GMFConfig
from ncf.data.config import DataConfig
from ncf.ingest.config import FileSource
from ncf.prepare import prepare_source
from tests.flows.registry.registered_models import make_champion
from tests.ncf.serving.bundles import bundle_of

USERS, ITEMS, EACH = 40, 60, 20
CUT = 150  # the day on which the champion's log ends


def whole_log() -> pd.DataFrame:
    """Each user meets 20 different items on days 100 to 199; the first 10 items are half of everyone's."""
    rng = np.random.default_rng(5)
    chances = np.r_[np.full(10, 0.05), np.full(ITEMS - 10, 0.5 / (ITEMS - 10))]
    rows = []
    for user in range(USERS):
        items = rng.choice(ITEMS, EACH, replace=False, p=chances)
        days = rng.choice(100, EACH, replace=False) + 100
        rows += [(user + 1, item + 500, day * 86_400) for item, day in zip(items, days, strict=True)]
    return pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]).astype("int64")


def rows_before(log: pd.DataFrame, day: int) -> pd.DataFrame:
    return log[log["timestamp"] < day * 86_400]


def write_log(log: pd.DataFrame, folder: Path, dataset: str) -> None:
    log.to_csv(folder / f"{dataset}.csv", index=False)


def monitor_settings(dataset: str, **values: Any) -> MonitorSettings:
    given = {"dataset": dataset, "source": {"path": f"{dataset}.csv"}, "thresholds": {"min_interactions": 100}}
    return MonitorSettings.model_validate(given | values)


def make_shop(folder: Path, dataset: str, **about: Any) -> int:
    """Write the log up to CUT and make a champion of it. Returns the version."""
    write_log(rows_before(whole_log(), CUT), folder, dataset)
    data = prepare_source(dataset, FileSource(path=str(folder / f"{dataset}.csv")), DataConfig())
    return make_champion(dataset, bundle_of(data, GMFConfig(embedding_dim=4), name="gmf", **about))
