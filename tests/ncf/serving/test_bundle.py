import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from ncf.config import ModelConfig
from ncf.data.history import DAY, DayCounts, History
from ncf.data.prepared import PreparedData
from ncf.models.gmf import GMF
from ncf.models.mlp import MLP
from ncf.models.neumf import NeuMF
from ncf.serving.bundle import Bundle
from tests.ncf.serving.bundles import (
    CONFIGS,
    CONTENT,
    FILES,
    NUM_ITEMS,
    bundle_of,
    every_kind_of_ids,
    every_model,
    files_of,
    scrambled_model,
    seen_pairs,
    some_data,
    with_text_ids,
)
from tests.ncf.toy_data import pair_rows, seen_by_user


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    bundle_of(some_data()).save(tmp_path / "bundle")
    return tmp_path / "bundle"


def all_scores(bundle: Bundle) -> torch.Tensor:
    with torch.inference_mode():
        return bundle.model.score_all(torch.arange(len(bundle.user_ids)))


@every_model
def test_logits_come_back_bitwise(config: ModelConfig, tmp_path: Path) -> None:
    bundle = bundle_of(some_data(), config)
    bundle.save(tmp_path / "bundle")
    loaded = Bundle.load(tmp_path / "bundle")
    assert loaded.config == config
    assert torch.equal(all_scores(loaded), all_scores(bundle))
    assert torch.equal(all_scores(loaded), all_scores(loaded))  # dropout is off


def test_a_pretrained_neumf_comes_back(tmp_path: Path) -> None:
    data = some_data()
    gmf, mlp = (scrambled_model(config, data) for config in CONFIGS[:2])
    assert isinstance(gmf, GMF)
    assert isinstance(mlp, MLP)
    bundle = Bundle.of(NeuMF.from_pretrained(gmf, mlp, 0.3).eval(), CONFIGS[2], data)
    bundle.save(tmp_path / "bundle")
    assert torch.equal(all_scores(Bundle.load(tmp_path / "bundle")), all_scores(bundle))


@every_kind_of_ids
def test_ids_titles_seen_items_and_counts_come_back(data: PreparedData, tmp_path: Path) -> None:
    bundle_of(data).save(tmp_path / "bundle")
    loaded = Bundle.load(tmp_path / "bundle")
    for found, expected in ((loaded.user_ids, data.user_ids), (loaded.item_ids, data.item_ids)):
        assert found.tolist() == expected.tolist()
        assert found.dtype == expected.dtype
        assert type(found.tolist()[0]) is type(expected.tolist()[0])
    assert loaded.titles.tolist() == data.titles.tolist()
    parts = (data.train, data.validation.pairs, data.test.pairs)
    assert sorted(seen_pairs(loaded)) == sorted(pair for part in parts for pair in pair_rows(part))
    assert loaded.item_counts.tolist() == [int((data.train.items == item).sum()) for item in range(data.num_items)]
    assert loaded.item_counts.dtype == np.int64


def test_when_its_data_came_comes_back(saved: Path, tmp_path: Path) -> None:
    days = DayCounts(np.array([7, 9]), np.array([5, 3]), np.array([2, 1]))
    history = History(np.arange(NUM_ITEMS), np.arange(NUM_ITEMS)[::-1], days, 9 * DAY + 5)
    bundle_of(replace(some_data(), history=history)).save(tmp_path / "dated")
    found = Bundle.load(tmp_path / "dated").history
    assert found.early.tolist() == history.early.tolist()
    assert found.recent.tolist() == history.recent.tolist()
    assert found.by_day.frame().equals(days.frame())
    assert found.last_time == 9 * DAY + 5
    timeless = Bundle.load(saved).history
    assert timeless.last_time is None
    counts = np.bincount(some_data().everything.items)
    assert timeless.early.tolist() == timeless.recent.tolist() == counts.tolist()


def test_facts_about_the_model_come_back(tmp_path: Path) -> None:
    data = some_data()
    bundle_of(data, name="gmf", metrics={"test/full/ndcg_at_10": 0.125}).save(tmp_path / "bundle")
    assert Bundle.load(tmp_path / "bundle").about == {
        "dataset": "random",
        "fingerprint": data.fingerprint,
        "name": "gmf",
        "metrics": {"test/full/ndcg_at_10": 0.125},
    }


def test_the_folder_holds_no_pickle(saved: Path) -> None:
    assert files_of(saved) == FILES
    for name in FILES:
        content = (saved / name).read_bytes()
        assert content[:1] != b"\x80", name  # a pickle's first byte
        assert content[:2] != b"PK", name  # torch.save writes a zip of pickles
    expected = scrambled_model(CONFIGS[0], some_data()).state_dict()
    weights = load_file(saved / "weights.safetensors")
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], value) for name, value in expected.items())


def test_saving_over_an_older_bundle_replaces_it(saved: Path) -> None:
    (saved / "stray").write_text("from before")
    newer = bundle_of(with_text_ids(some_data()), CONFIGS[1])
    newer.save(saved)
    assert files_of(saved) == FILES
    assert [path.name for path in saved.parent.iterdir()] == ["bundle"]
    assert torch.equal(all_scores(Bundle.load(saved)), all_scores(newer))


def test_a_save_that_fails_leaves_the_older_bundle_whole(saved: Path) -> None:
    with pytest.raises(TypeError, match="JSON"):
        bundle_of(some_data(), seed=1, metrics=object()).save(saved)
    assert [path.name for path in saved.parent.iterdir()] == ["bundle"]
    assert torch.equal(all_scores(Bundle.load(saved)), all_scores(bundle_of(some_data())))


def test_the_sums_are_as_the_tool_sha256sum_reads_them(saved: Path) -> None:
    lines = (saved / "SHA256SUMS").read_text().splitlines()
    assert lines == [f"{hashlib.sha256((saved / name).read_bytes()).hexdigest()}  {name}" for name in CONTENT]


def test_seen_items_are_kept_in_four_bytes_one_user_after_the_other(saved: Path) -> None:
    seen = pd.read_parquet(saved / "log" / "pairs.parquet")
    assert seen.dtypes.to_dict() == {"item": np.int32}
    data = some_data()
    first = int(pd.read_parquet(saved / "log" / "users.parquet")["count"][0])
    assert sorted(seen["item"][:first]) == sorted(seen_by_user(data)[0])
    assert Bundle.load(saved).seen.items.dtype == torch.int32
