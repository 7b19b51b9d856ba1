import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from ncf.config import GMFConfig, MLPConfig, ModelConfig, NeuMFConfig
from ncf.data.history import DAY, DayCounts, History
from ncf.data.prepared import PreparedData
from ncf.errors import ModelError
from ncf.files import read_json, write_json
from ncf.models.gmf import GMF
from ncf.models.mlp import MLP
from ncf.models.neumf import NeuMF
from ncf.serving.bundle import Bundle
from ncf.serving.recommender import Recommender
from ncf.serving.sums import write_sums
from tests.ncf.known import literal_data, pair_rows, seen_by_user
from tests.ncf.serving.bundles import (
    CONFIGS,
    NUM_ITEMS,
    bundle_of,
    scrambled_model,
    seen_pairs,
    some_data,
    with_text_ids,
    with_uuids,
)

CONTENT = ["bundle.json", "days.parquet", "items.parquet", "seen.parquet", "users.parquet", "weights.safetensors"]
FILES = ["SHA256SUMS", *CONTENT]
every_model = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    bundle_of(some_data()).save(tmp_path / "bundle")
    return tmp_path / "bundle"


def load_with_new_sums(folder: Path) -> Bundle:
    """As someone who knows the sums would have it: what the files say must fit all the same."""
    write_sums(folder)
    return Bundle.load(folder)


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


@pytest.mark.parametrize(
    "data", [some_data(), with_text_ids(some_data()), with_uuids(some_data())], ids=["integer", "text", "uuid"]
)
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


def test_a_bundle_of_the_format_before_goes_on_serving_without_a_history(saved: Path) -> None:
    expected = Bundle.load(saved)
    items = pd.read_parquet(saved / "items.parquet").drop(columns=["early", "recent"])
    items.to_parquet(saved / "items.parquet")
    (saved / "days.parquet").unlink()
    header = read_json(saved / "bundle.json") | {"format": 4}
    del header["last_time"]
    write_json(saved / "bundle.json", header)
    found = load_with_new_sums(saved)
    assert torch.equal(all_scores(found), all_scores(expected))
    assert found.history.early.tolist() == expected.item_counts.tolist()
    assert found.history.last_time is None


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
    assert sorted(path.name for path in saved.iterdir()) == FILES
    for path in saved.iterdir():
        content = path.read_bytes()
        assert content[:1] != b"\x80", path.name  # a pickle's first byte
        assert content[:2] != b"PK", path.name  # torch.save writes a zip of pickles
    expected = scrambled_model(CONFIGS[0], some_data()).state_dict()
    weights = load_file(saved / "weights.safetensors")
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], value) for name, value in expected.items())


def test_saving_over_an_older_bundle_replaces_it(saved: Path) -> None:
    (saved / "stray").write_text("from before")
    newer = bundle_of(with_text_ids(some_data()), CONFIGS[1])
    newer.save(saved)
    assert sorted(path.name for path in saved.iterdir()) == FILES
    assert [path.name for path in saved.parent.iterdir()] == ["bundle"]
    assert torch.equal(all_scores(Bundle.load(saved)), all_scores(newer))


def test_a_save_that_fails_leaves_the_older_bundle_whole(saved: Path) -> None:
    with pytest.raises(TypeError, match="JSON"):
        bundle_of(some_data(), seed=1, metrics=object()).save(saved)
    assert [path.name for path in saved.parent.iterdir()] == ["bundle"]
    assert torch.equal(all_scores(Bundle.load(saved)), all_scores(bundle_of(some_data())))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_truncated_file_is_refused(saved: Path, name: str, share: float) -> None:
    content = (saved / name).read_bytes()
    (saved / name).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match=r"is not a usable bundle.*what to do: restore it from a backup"):
        Bundle.load(saved)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_changed_bit_is_refused(saved: Path, name: str, share: float) -> None:
    content = bytearray((saved / name).read_bytes())
    content[int(share * (len(content) - 1))] ^= 1
    (saved / name).write_bytes(content)
    with pytest.raises(ModelError, match="is not a usable bundle"):
        Bundle.load(saved)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_bundle_is_refused_though_it_fits(saved: Path, name: str, tmp_path: Path) -> None:
    data = some_data()
    rows = data.train.users != 0
    train = replace(data.train, users=data.train.users[rows], items=data.train.items[rows])
    other = with_uuids(replace(data, train=train)) if name in ("users.parquet", "items.parquet") else data
    other = replace(data, train=train) if name == "seen.parquet" else other
    history = History(data.item_counts, data.item_counts, DayCounts(*np.ones((3, 1), dtype=np.int64)), DAY)
    bundle_of(replace(other, history=history), seed=1).save(tmp_path / "other")
    assert (saved / name).read_bytes() != (tmp_path / "other" / name).read_bytes() or name == "bundle.json"
    shutil.copy(tmp_path / "other" / name, saved)
    if name == "bundle.json":
        write_json(saved / name, read_json(saved / name) | {"about": {"dataset": "other"}})
    with pytest.raises(ModelError, match="has the SHA-256 sum .*damaged, or of another bundle"):
        Bundle.load(saved)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(ModelError, match="is not a usable bundle"):
        Bundle.load(saved)


def test_the_sums_are_as_the_tool_sha256sum_reads_them(saved: Path) -> None:
    lines = (saved / "SHA256SUMS").read_text().splitlines()
    assert lines == [f"{hashlib.sha256((saved / name).read_bytes()).hexdigest()}  {name}" for name in CONTENT]


@pytest.mark.parametrize("text", ["", "what is this", "0" * 64 + "  weights.safetensors\n"])
def test_sums_of_other_files_are_refused(saved: Path, text: str) -> None:
    (saved / "SHA256SUMS").write_text(text)
    with pytest.raises(ModelError, match="SHA256SUMS is about .*, not about bundle.json"):
        Bundle.load(saved)


def test_a_bundle_of_a_format_before_that_is_refused_as_such(saved: Path) -> None:
    write_json(saved / "bundle.json", read_json(saved / "bundle.json") | {"format": 3})
    (saved / "SHA256SUMS").unlink()
    with pytest.raises(ModelError, match="another bundle format: 3; allowed: 5, or 4; what to do: train again"):
        Bundle.load(saved)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"{tmp_path / 'nowhere'} is not a usable bundle"):
        Recommender.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "other", [GMFConfig(embedding_dim=6), MLPConfig(layers=(6, 4, 3)), NeuMFConfig(embedding_dim=5, layers=(6, 4, 3))]
)
def test_the_weights_of_another_shape_are_refused(saved: Path, other: ModelConfig, tmp_path: Path) -> None:
    bundle_of(some_data(), other).save(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "weights.safetensors", saved)
    with pytest.raises(ModelError, match="is not a usable bundle"):
        load_with_new_sums(saved)


@pytest.mark.parametrize("name", ["users.parquet", "items.parquet", "weights.safetensors"])
def test_a_file_of_other_sizes_is_refused(saved: Path, name: str, tmp_path: Path) -> None:
    bundle_of(literal_data()).save(tmp_path / "other")
    shutil.copy(tmp_path / "other" / name, saved)
    with pytest.raises(ModelError, match="is not a usable bundle"):
        load_with_new_sums(saved)


@pytest.mark.parametrize("value", [18, -1])
def test_seen_items_outside_the_catalogue_are_refused(saved: Path, value: int) -> None:
    seen = pd.read_parquet(saved / "seen.parquet")
    seen.loc[0, "item"] = value
    seen.to_parquet(saved / "seen.parquet")
    with pytest.raises(ModelError, match=f"is not a usable bundle.*a seen item is .*{value}.*, of 18"):
        load_with_new_sums(saved)


@pytest.mark.parametrize("change", [(1, 0), (0, -1), (-100, 100)], ids=str)
def test_numbers_of_seen_items_that_do_not_fit_are_refused(saved: Path, change: tuple[int, int]) -> None:
    users = pd.read_parquet(saved / "users.parquet")
    users.loc[:1, "seen"] += change
    users.to_parquet(saved / "users.parquet")
    with pytest.raises(ModelError, match="is not a usable bundle: .*seen.parquet has 225 items; the users have"):
        load_with_new_sums(saved)


def test_seen_items_are_kept_in_four_bytes_one_user_after_the_other(saved: Path) -> None:
    seen = pd.read_parquet(saved / "seen.parquet")
    assert seen.dtypes.to_dict() == {"item": np.int32}
    data = some_data()
    first = int(pd.read_parquet(saved / "users.parquet")["seen"][0])
    assert sorted(seen["item"][:first]) == sorted(seen_by_user(data)[0])
    assert Bundle.load(saved).seen.items.dtype == torch.int32


def test_another_format_is_refused_with_its_number(saved: Path) -> None:
    write_json(saved / "bundle.json", read_json(saved / "bundle.json") | {"format": 99})
    with pytest.raises(ModelError, match="has another bundle format: 99; allowed: 5, or 4"):
        Bundle.load(saved)


@pytest.mark.parametrize("key", ["format", "model", "about", "user_id", "item_id"])
def test_a_header_without_a_key_is_refused(saved: Path, key: str) -> None:
    header = read_json(saved / "bundle.json")
    del header[key]
    write_json(saved / "bundle.json", header)
    with pytest.raises(ModelError, match=key):
        load_with_new_sums(saved)


def test_a_header_that_is_no_object_is_refused(saved: Path) -> None:
    write_json(saved / "bundle.json", ["format", 1])
    with pytest.raises(ModelError, match="is not a usable bundle"):
        load_with_new_sums(saved)


@pytest.mark.parametrize("wrong", ["str", "uuid", "float", None])
def test_a_wrong_kind_of_ids_is_refused(saved: Path, wrong: str | None) -> None:
    write_json(saved / "bundle.json", read_json(saved / "bundle.json") | {"item_id": wrong})
    with pytest.raises(ModelError, match="is not a usable bundle"):
        load_with_new_sums(saved)


def test_an_unknown_kind_of_model_is_refused(saved: Path) -> None:
    write_json(saved / "bundle.json", read_json(saved / "bundle.json") | {"model": {"kind": "svd"}})
    with pytest.raises(ModelError, match="svd"):
        load_with_new_sums(saved)


TABLES = {"users": ["user_id", "seen", "learned"], "items": ["item_id", "title", "count"], "seen": ["item"]}
COLUMNS = [(name, column) for name, columns in TABLES.items() for column in columns]


@pytest.mark.parametrize(("name", "column"), COLUMNS)
def test_a_table_without_a_column_is_refused(saved: Path, name: str, column: str) -> None:
    file = saved / f"{name}.parquet"
    pd.read_parquet(file).rename(columns={column: "other"}).to_parquet(file)
    with pytest.raises(ModelError, match="is not a usable bundle"):
        load_with_new_sums(saved)
