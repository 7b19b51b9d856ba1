"""Bundles that are damaged, mixed up, or of another format are refused."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ncf.config import GMFConfig, MLPConfig, ModelConfig, NeuMFConfig
from ncf.data.history import DAY, DayCounts, History
from ncf.errors import ModelError
from ncf.files import read_json, write_json
from ncf.serving.bundle import Bundle
from ncf.serving.recommender import Recommender
from tests.ncf.serving.bundles import FILES, LOG, bundle_of, load_with_new_sums, some_data, with_uuids
from tests.ncf.toy_data import literal_data


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    bundle_of(some_data()).save(tmp_path / "bundle")
    return tmp_path / "bundle"


def part(name: str) -> str:
    """Who refuses a file: the sums of the log are its own, everything else is in the bundle's."""
    return "serving log" if name == "log/SHA256SUMS" else "bundle"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_truncated_file_is_refused(saved: Path, name: str, share: float) -> None:
    content = (saved / name).read_bytes()
    (saved / name).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match=rf"is not a usable {part(name)}.*what to do: restore it from a backup"):
        Bundle.load(saved)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_changed_bit_is_refused(saved: Path, name: str, share: float) -> None:
    content = bytearray((saved / name).read_bytes())
    content[int(share * (len(content) - 1))] ^= 1
    (saved / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"is not a usable {part(name)}"):
        Bundle.load(saved)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_bundle_is_refused_though_it_fits(saved: Path, name: str, tmp_path: Path) -> None:
    data = some_data()
    rows = data.train.users != 0
    train = replace(data.train, users=data.train.users[rows], items=data.train.items[rows])
    other = with_uuids(replace(data, train=train)) if Path(name).name in ("users.parquet", "items.parquet") else data
    other = replace(data, train=train) if name in ("log/pairs.parquet", "log/log.json", "log/SHA256SUMS") else other
    history = History(data.item_counts, data.item_counts, DayCounts(*np.ones((3, 1), dtype=np.int64)), DAY)
    bundle_of(replace(other, history=history), seed=1).save(tmp_path / "other")
    assert (saved / name).read_bytes() != (tmp_path / "other" / name).read_bytes() or name == "bundle.json"
    shutil.copy(tmp_path / "other" / name, saved / name)
    if name == "bundle.json":
        write_json(saved / name, read_json(saved / name) | {"about": {"dataset": "other"}})
    with pytest.raises(ModelError, match="has the SHA-256 sum .*damaged, or of another bundle"):
        Bundle.load(saved)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(ModelError, match=f"is not a usable {part(name)}"):
        Bundle.load(saved)


@pytest.mark.parametrize("text", ["", "what is this", "0" * 64 + "  weights.safetensors\n"])
def test_sums_of_other_files_are_refused(saved: Path, text: str) -> None:
    (saved / "SHA256SUMS").write_text(text)
    with pytest.raises(ModelError, match="SHA256SUMS is about .*, not about bundle.json"):
        Bundle.load(saved)


@pytest.mark.parametrize("older", [3, 5])
def test_a_bundle_of_a_format_before_is_refused_as_such(saved: Path, older: int) -> None:
    write_json(saved / "bundle.json", read_json(saved / "bundle.json") | {"format": older})
    (saved / "SHA256SUMS").unlink()
    with pytest.raises(ModelError, match=f"another bundle format: {older}; allowed: 6; what to do: train again"):
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


@pytest.mark.parametrize("name", ["users.parquet", "items.parquet", "weights.safetensors", *LOG])
def test_a_file_of_other_sizes_is_refused(saved: Path, name: str, tmp_path: Path) -> None:
    bundle_of(literal_data()).save(tmp_path / "other")
    shutil.copy(tmp_path / "other" / name, saved / name)
    with pytest.raises(ModelError, match="is not a usable (bundle|serving log)"):
        load_with_new_sums(saved)


@pytest.mark.parametrize("value", [18, -1])
def test_seen_items_outside_the_catalogue_are_refused(saved: Path, value: int) -> None:
    path = saved / "log" / "pairs.parquet"
    seen = pd.read_parquet(path)
    seen.loc[0, "item"] = value
    seen.to_parquet(path)
    with pytest.raises(ModelError, match=f"is not a usable serving log.*a seen item is .*{value}.*, of 18"):
        load_with_new_sums(saved)


@pytest.mark.parametrize("change", [(1, 0), (0, -1), (-100, 100)], ids=str)
def test_numbers_of_seen_items_that_do_not_fit_are_refused(saved: Path, change: tuple[int, int]) -> None:
    path = saved / "log" / "users.parquet"
    users = pd.read_parquet(path)
    users.loc[:1, "count"] += change
    users.to_parquet(path)
    with pytest.raises(ModelError, match="is not a usable serving log: .*pairs.parquet has 225 items; the users have"):
        load_with_new_sums(saved)


def test_another_format_is_refused_with_its_number(saved: Path) -> None:
    write_json(saved / "bundle.json", read_json(saved / "bundle.json") | {"format": 99})
    with pytest.raises(ModelError, match="has another bundle format: 99; allowed: 6;"):
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


TABLES = {
    "users": ["user_id", "learned"],
    "items": ["item_id", "count", "early", "recent"],
    "log/users": ["user_id", "count", "liked"],
    "log/items": ["item_id", "title"],
    "log/pairs": ["item"],
}
COLUMNS = [(name, column) for name, columns in TABLES.items() for column in columns]


@pytest.mark.parametrize(("name", "column"), COLUMNS)
def test_a_table_without_a_column_is_refused(saved: Path, name: str, column: str) -> None:
    file = saved / f"{name}.parquet"
    pd.read_parquet(file).rename(columns={column: "other"}).to_parquet(file)
    with pytest.raises(ModelError, match="is not a usable (bundle|serving log)"):
        load_with_new_sums(saved)
