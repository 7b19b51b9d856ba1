"""Small logs of two tastes, and settings that train four models on one in some seconds."""

from pathlib import Path
from typing import Any

from tests.two_taste_log import two_taste_log

USERS, ITEMS, ROWS_PER_USER = 80, 40, 14
EPOCHS = 5


def write_log(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    two_taste_log(USERS, ITEMS, ROWS_PER_USER, seed).to_csv(path, index=False)


def tiny_settings(dataset: str, log: Path, seed: int = 0, **changes: Any) -> dict[str, Any]:
    """Settings of a retraining; another seed is another retraining of the same data."""
    short = {"training": {"max_epochs": EPOCHS, "learning_rate": 0.02, "batch_size": 512, "patience": 50}}
    layers = {"model": {"layers": [16, 8]}, **short}
    values: dict[str, Any] = {
        "dataset": dataset,
        "source": {"path": str(log)},
        "seed": seed,
        "settings": "defaults",
        "hardware": {"compile": False},  # torch's steps: a training lasts long enough for a fault to meet it
        "baselines": {name: {"enabled": False} for name in ("item_knn", "ease", "ials")},
        "gmf": short,
        "mlp": layers,
        "neumf": layers,
        "neumf_pretrained": short,
        "promotion": {"first": "average"},
    }
    return values | changes
