"""The flow `recommend` from the registry to files and tables, and what it refuses before any work."""

import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from prefect.blocks.system import Secret
from pydantic import ValidationError

from flows.cli.command import parse, run_command
from flows.recommend.__main__ import run as recommend_command
from flows.recommend.flow import Recommended, recommend, sample
from flows.recommend.settings import RecommendSettings
from ncf.errors import ConfigError, DataError, ModelError, NCFError
from ncf.files import CACHE_VARIABLE
from ncf.serving.bundle import Bundle
from ncf.serving.config import FileOutput
from ncf.serving.recommender import Recommender
from tests.flows.leaks import captured_logs, stored_texts
from tests.flows.registry.registered_models import make_champion
from tests.flows.stored_results import newest_artifact
from tests.ncf.serving.bundles import CONFIGS, bundle_of, some_data, with_text_ids
from tests.postgres import SECRETS, Postgres


def settings_of(**values: Any) -> RecommendSettings:
    return RecommendSettings.model_validate({"dataset": "shop", **values})


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return bundle_of(some_data(), CONFIGS[2])


@pytest.fixture(scope="module")
def shop(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> Iterator[Path]:
    """A working folder whose champion of `shop` is the second version."""
    folder = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv(CACHE_VARIABLE, str(folder / "cache"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        make_champion("shop", bundle_of(some_data(), seed=3))
        assert make_champion("shop", bundle) == 2
        yield folder


def test_by_default_every_user_in_a_csv_file_with_titles(shop: Path, bundle: Bundle) -> None:
    done = recommend(settings_of())
    path = shop / "recommendations" / "shop.csv"
    expected = Recommender(bundle).recommend(bundle.user_ids.tolist(), 10)
    assert done == Recommended(place=str(path), version=2, k=10, users=25, unknown=0, folded_in=0, rows=len(expected))
    frame = pd.read_csv(path, dtype={"score": "float32"})
    assert list(frame) == ["user_id", "rank", "item_id", "title", "score", "source", "model_version"]
    for name in ("user_id", "item_id", "rank", "score"):
        assert frame[name].tolist() == expected[name].tolist()
    assert set(frame["model_version"]) == {2}
    assert not list((shop / "cache" / "recommendations").glob("*/"))
    assert [line.split(":")[0] for line in sample(path)] == ["user 3", "user 13", "user 23"]


def test_a_sample_names_users_and_items_as_the_file_does(tmp_path: Path) -> None:
    path = tmp_path / "lists.csv"
    path.write_text("user_id,rank,item_id,title\n007,1,010,\n007,2,NA,Élisa\nNA,1,012,\n")
    assert sample(path) == ["user 007: 010; Élisa; ...", "user NA: 012; ..."]


def test_users_filters_and_output_of_the_settings(shop: Path, bundle: Bundle) -> None:
    (shop / "users.csv").write_text("user_id\n13\n99\n3\n")
    (shop / "blocked.csv").write_text("item_id\n1\n8\n")
    done = recommend(
        settings_of(
            top_k=3,
            users={"path": "users.csv"},
            filters={"blocklist": "blocked.csv", "unseen": False},
            output={"path": "out/lists.parquet"},
            block_rows=1,
        )
    )
    frame = pd.read_parquet(shop / "out" / "lists.parquet")
    assert (done.users, done.unknown, done.rows) == (3, 1, 9)
    assert frame["user_id"].tolist() == [user for user in (13, 99, 3) for _ in range(3)]
    assert frame.loc[frame["rank"] == 1, "source"].tolist() == ["model", "popularity", "model"]
    assert not set(frame["item_id"]) & {1, 8}


def test_progress_is_in_prefect(shop: Path) -> None:
    recommend(settings_of(output={"path": "progress.csv"}))
    assert newest_artifact("shop-recommendations").data == 100.0


def test_a_larger_top_k_than_there_are_items_means_all_and_is_said(
    shop: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        done = recommend(settings_of(top_k=500, output={"path": "all.csv"}))
    assert done.k == 18
    assert "top_k is 500, but there are only 18 items to recommend" in caplog.text


def test_a_table_by_a_secret_block(shop: Path, bundle: Bundle) -> None:
    Secret(value=f"sqlite:///{shop / 'lists.db'}").save("lists-db", overwrite=True)
    done = recommend(settings_of(output={"table": "lists", "secret_block": "lists-db"}))
    with sqlite3.connect(shop / "lists.db") as connection:
        assert connection.execute("SELECT count(*), max(model_version) FROM lists").fetchall() == [(done.rows, 2)]
    connection.close()


def test_the_password_is_in_no_file_no_log_and_no_parameter(shop: Path, postgres: Postgres) -> None:
    Secret(value=postgres.url()).save("lists-pg", overwrite=True)
    Secret(value=postgres.url(password="falsches-wort")).save("wrong-pg", overwrite=True)
    with captured_logs() as said:
        done = recommend(settings_of(output={"table": "lists", "secret_block": "lists-pg"}))
        with pytest.raises(DataError, match="password authentication failed"):
            recommend(settings_of(output={"table": "lists", "secret_block": "wrong-pg"}))
    assert postgres.run("SELECT count(*) FROM lists") == [(done.rows,)]
    for text in (*stored_texts(shop), said.getvalue(), done.place):
        for secret in (*SECRETS, "falsches-wort"):
            assert secret not in text


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"dataset": "bakery"}, ModelError, "there is no champion of the registered model: 'ncf-bakery'"),
        ({"users": {"path": "nowhere.csv"}}, DataError, "no such file"),
        ({"users": {"ids": ["ann"]}}, DataError, "another type than the model's: 'ann'"),
        (
            {"filters": {"allowlist": "strangers.csv"}},
            DataError,
            r"strangers.csv: the model knows 0 of 1 ids.*: \[1000\]",
        ),
        ({"users": {"ids": [1, 2, 3]}}, DataError, r"users.ids: the log knows 1 of 3 ids.*--users.allow-unknown"),
        ({"output": {"path": "blocked/lists.csv"}}, ConfigError, "can't be written"),
        ({"output": {"path": "nowhere://a/lists.csv"}}, DataError, "this location is unknown"),
        ({"output": {"table": "lists", "url_variable": "NO_SUCH"}}, ConfigError, "URL is not known"),
        ({"output": {"table": "lists", "secret_block": "never-saved"}}, ConfigError, "no Secret block"),
        ({"output": {"table": "lists", "url": "postgresql://a@127.0.0.1:9/d"}}, DataError, "can't be written"),
    ],
)
def test_bad_input_is_refused_before_any_work(
    shop: Path, values: dict[str, Any], error: type[NCFError], words: str
) -> None:
    (shop / "blocked").write_text("a file in the way")
    (shop / "strangers.csv").write_text("item_id\n1000\n")
    with pytest.raises(error, match=words):
        recommend(settings_of(**values))
    assert not list((shop / "cache" / "recommendations").glob("*/"))


def test_without_any_model_the_message_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert run_command(RecommendSettings, recommend_command, []) == 1
    shown = capsys.readouterr().err
    assert "no champion of the registered model: 'ncf-ml-100k'; what to do: ncf retrain --dataset ml-100k" in shown
    assert not (tmp_path / "mlruns").exists()


def test_text_ids_of_the_settings(shop: Path) -> None:
    make_champion("texts", bundle_of(with_text_ids(some_data())))
    done = recommend(settings_of(dataset="texts", users={"ids": ["user-003", "7"]}, output={"path": "texts.parquet"}))
    assert (done.users, done.unknown) == (2, 1)


def test_a_blocklist_that_went_through_a_spreadsheet_is_refused_and_its_twin_blocks(
    shop: Path, caplog: pytest.LogCaptureFixture
) -> None:
    zeros = np.array([f"{n:04}" for n in range(1, 19)], dtype=object)
    make_champion("zeros", bundle_of(replace(some_data(), item_ids=zeros)))
    (shop / "block.csv").write_text("item_id\n4\n8\n12\n")
    with pytest.raises(DataError, match=r"blocklist block.csv: the model knows 0 of 3 ids.*'0004' for '4', '0008' for"):
        recommend(settings_of(dataset="zeros", filters={"blocklist": "block.csv"}))
    assert not (shop / "recommendations" / "zeros.csv").exists()
    (shop / "block.csv").write_text("item_id\n0004\n0008\n12\n")
    with caplog.at_level(logging.INFO):
        recommend(settings_of(dataset="zeros", filters={"blocklist": "block.csv"}))
    assert "blocklist block.csv: the model knows 2 of 3 ids; unknown: '12'" in caplog.text
    listed = set(pd.read_csv(shop / "recommendations" / "zeros.csv", dtype=str)["item_id"])
    assert "0012" in listed and not listed & {"0004", "0008"}


def test_options_of_the_command_line() -> None:
    args = ["--users.ids", "007,8", "--filters.categories", "War,Love", "--filters.categories-path", "c.csv"]
    settings = parse(RecommendSettings, [*args, "--output.path", "s3://bucket/lists.parquet", "--no-filters.unseen"])
    assert settings.users.ids == ("007", "8")
    assert settings.filters.categories == ("War", "Love")
    assert not settings.filters.unseen
    assert settings.destination == FileOutput(path="s3://bucket/lists.parquet")
    table = parse(RecommendSettings, ["--output.table", "shop.lists", "--output.secret-block", "lists-db"])
    assert table.model_dump()["output"]["table"] == "shop.lists"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (
            ["--output.path", "lists.xlsx"],
            "--output.path: got 'lists.xlsx'; the name must end in one of .parquet, .csv, .csv.gz",
        ),
        (["--output.table=a b"], "--output.table: got 'a b'"),
        (["--output.table", "a b"], "letters, digits and _"),
        (["--output.table", "lists", "--output.url", "postgresql://a:geheim@h/d"], "must not have a password"),
        (["--top-k", "0"], "greater than or equal to 1"),
        (["--userss.ids", "1"], "nearest: --users.ids"),
    ],
)
def test_a_wrong_option_is_named(args: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(RecommendSettings, args)
    assert words in str(refused.value)
    assert "geheim" not in str(refused.value)


def test_wrong_parameters_of_prefect_are_refused() -> None:
    with pytest.raises(ValidationError, match="outputt"):
        RecommendSettings.model_validate({"outputt": {"path": "a.csv"}})
