"""Bundles of untrained models, whose weights are large enough for scores to differ."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import torch

from ncf.config import GMFConfig, MLPConfig, ModelConfig, NeuMFConfig
from ncf.data.prepared import PreparedData
from ncf.files import write_sums
from ncf.models.build import Model, build_model
from ncf.sampling.sampler import PairRows
from ncf.serving.bundle import Bundle
from tests.ncf.toy_data import Rows, pairs, random_data, scramble

CONFIGS: list[ModelConfig] = [
    GMFConfig(embedding_dim=5),
    MLPConfig(layers=(6, 4, 3), dropout=0.5),
    NeuMFConfig(embedding_dim=5, layers=(6, 4, 3), dropout=0.5),
]
NUM_USERS, NUM_ITEMS = 25, 18
LOG = ["log/items.parquet", "log/log.json", "log/pairs.parquet", "log/users.parquet"]
CONTENT = ["bundle.json", "days.parquet", "items.parquet", *LOG, "users.parquet", "weights.safetensors"]
FILES = sorted(["SHA256SUMS", "log/SHA256SUMS", *CONTENT])


def some_data() -> PreparedData:
    """Integer ids with gaps, in order; titles for every other item."""
    data = random_data(np.random.default_rng(7), NUM_USERS, NUM_ITEMS, num_candidates=5)
    titles = np.array([f"Élisa {n}" if n % 2 else "" for n in range(NUM_ITEMS)], dtype=object)
    return replace(data, user_ids=data.user_ids * 10 + 3, item_ids=data.item_ids * 7 + 1, titles=titles)


def with_text_ids(data: PreparedData) -> PreparedData:
    return replace(
        data,
        user_ids=np.array([f"user-{n:03}" for n in data.user_ids], dtype=object),
        item_ids=np.array([f"é{n:03}" for n in data.item_ids], dtype=object),
    )


def with_uuids(data: PreparedData) -> PreparedData:
    return replace(
        data,
        user_ids=np.array([UUID(int=n << 64) for n in data.user_ids.tolist()], dtype=object),
        item_ids=np.array([UUID(int=n) for n in data.item_ids.tolist()], dtype=object),
    )


def scrambled_model(config: ModelConfig, data: PreparedData, seed: int = 0) -> Model:
    model = build_model(config, data.num_users, data.num_items, seed)
    scramble(model, torch.Generator().manual_seed(seed))
    return model.eval()


def seen_pairs(bundle: Bundle) -> list[tuple[int, int]]:
    users, items = bundle.seen.of_users(torch.arange(len(bundle.user_ids)))
    return list(zip(users.tolist(), items.tolist(), strict=True))


def having(bundle: Bundle, rows: Rows) -> Bundle:
    """The bundle, had its users met these items and no others: indices."""
    met = pairs(rows)
    counts = torch.from_numpy(np.bincount(met.users, minlength=len(bundle.user_ids)))
    return replace(bundle, log=replace(bundle.log, items=PairRows.of([met], len(counts)), liked=counts))


def files_of(folder: Path) -> list[str]:
    """The files of a bundle, and of its log."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def bundle_of(data: PreparedData, config: ModelConfig = CONFIGS[0], seed: int = 0, **about: Any) -> Bundle:
    return Bundle.of(scrambled_model(config, data, seed), config, data, **about)


def bundle_scoring(scores: Sequence[Sequence[float]], data: PreparedData, **about: Any) -> Bundle:
    """A model that scores the items as given: float[users][items]."""
    config = GMFConfig(embedding_dim=data.num_items)
    model = build_model(config, data.num_users, data.num_items, seed=0)
    with torch.no_grad():
        model.get_parameter("user_embedding.weight").copy_(torch.tensor(scores))
        model.get_parameter("item_embedding.weight").copy_(torch.eye(data.num_items))
        model.get_parameter("head").fill_(1.0)
    return Bundle.of(model.eval(), config, data, **about)


def load_with_new_sums(folder: Path) -> Bundle:
    """As someone who knows the sums would have it: what the files say must fit all the same."""
    write_sums(folder / "log")
    write_sums(folder)
    return Bundle.load(folder)


every_model = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)
every_kind_of_ids = pytest.mark.parametrize(
    "data", [some_data(), with_text_ids(some_data()), with_uuids(some_data())], ids=["integer", "text", "uuid"]
)
