"""Small logs of known tastes, and settings that train four models on one in some seconds."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ncf.content import flatten

USERS, ITEMS, EACH = 80, 40, 14
EPOCHS = 5


def write_log(path: Path, seed: int = 0, users: int = USERS) -> Path:
    """Users of two tastes: an even one takes even items, an odd one odd items, in an order drawn from the seed."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        items = rng.permutation(np.arange(user % 2, ITEMS, 2))[:EACH]
        rows += [(user + 1, item + 1, 1_700_000_000 + place) for place, item in enumerate(items)]
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]).to_csv(path, index=False)
    return path


def tiny(dataset: str, log: Path, seed: int = 0, **changes: Any) -> dict[str, Any]:
    """Settings of a retraining; another seed is another retraining of the same data."""
    short = {"training": {"max_epochs": EPOCHS, "learning_rate": 0.02, "batch_size": 512, "patience": 50}}
    layers = {"model": {"layers": [16, 8]}, **short}
    values: dict[str, Any] = {
        "dataset": dataset,
        "source": {"path": str(log)},
        "seed": seed,
        "settings": "defaults",
        "hardware": {"compile": False},  # torch's steps: a training lasts long enough for a fault to meet it
        "baselines": {"item_knn": {"enabled": False}, "ials": {"enabled": False}},
        "gmf": short,
        "mlp": layers,
        "neumf": layers,
        "neumf_pretrained": short,
    }
    return values | changes


def options_of(settings: dict[str, Any]) -> list[str]:
    """Settings as options of a command."""
    return [option(name.replace("_", "-"), value) for name, value in flatten(settings).items()]


def option(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return f"--{name}={','.join(map(str, value)) if isinstance(value, list) else value}"
