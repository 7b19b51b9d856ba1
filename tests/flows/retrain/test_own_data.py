"""Somebody's own log, through the real flows: from a CSV file to a champion."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient

from flows.cli.command import run_command
from flows.prepare.__main__ import run as prepare_command
from flows.prepare.flow import prepare, prepared_folder
from flows.prepare.settings import DataSettings
from flows.retrain.flow import retrain
from flows.retrain.report import Report
from flows.tracking.store import tracking_uri
from ncf.data.report import DataReport
from ncf.data.storage import load_prepared
from tests.flows.conftest import quick
from tests.flows.stored_results import newest_artifact
from tests.two_taste_log import LISTENERS, ROWS_EACH, SONGS, song_log


@pytest.fixture(scope="module")
def log(workspace: Path) -> Path:
    path = workspace / "plays.csv"
    song_log().to_csv(path, index=False)
    return path


def source(path: Path, **changes: Any) -> dict[str, Any]:
    columns = {"user": "listener", "item": "song", "timestamp": "at"}
    return {"dataset": "shop", "source": {"path": str(path), "columns": columns}, **changes}


def test_preparing_says_what_is_in_the_log_and_stores_it(log: Path, prefect_server: None) -> None:
    settings = DataSettings.model_validate(source(log))
    report = prepare(settings)
    assert (report.rows_read, report.users, report.items) == (LISTENERS * ROWS_EACH, LISTENERS, SONGS)
    assert (report.train, report.validation, report.test) == (
        LISTENERS * (ROWS_EACH - 2),
        LISTENERS,
        LISTENERS,
    )
    stored = load_prepared(prepared_folder(settings))
    assert stored.name == "shop"
    assert stored.user_ids[0] == "user-00"


def test_the_report_is_an_artifact_of_the_prefect_run(log: Path, prefect_server: None) -> None:
    report: DataReport = prepare(DataSettings.model_validate(source(log)))
    assert newest_artifact("shop-data").data == report.markdown()
    assert f"| rows read | {LISTENERS * ROWS_EACH:,} |" in report.markdown()


def test_a_log_without_times_is_split_at_random_and_the_report_says_so(log: Path, prefect_server: None) -> None:
    untimed = log.with_name("untimed.csv")
    pd.read_csv(log).drop(columns="at").to_csv(untimed, index=False)
    columns = {"user": "listener", "item": "song"}
    report = prepare(
        DataSettings.model_validate({"dataset": "no_times", "source": {"path": str(untimed), "columns": columns}})
    )
    assert any("random" in note for note in report.notes)
    assert newest_artifact("no-times-data").data == report.markdown(), "Prefect's keys know no underscore"


def test_a_bad_row_is_one_line_and_leaves_no_data_set(
    log: Path, prefect_server: None, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = log.with_name("bad.csv")
    bad.write_text(log.read_text().replace("1700000003", "yesterday", 1))
    columns = {"user": "listener", "item": "song", "timestamp": "at"}
    options = ["--dataset", "bad", "--source.path", str(bad)]
    options += [word for name, column in columns.items() for word in (f"--source.columns.{name}", column)]
    assert run_command(DataSettings, prepare_command, options) == 1
    shown = capsys.readouterr().err.splitlines()
    [error] = [line for line in shown if line.startswith("error: ")]
    assert "bad.csv, line 5" in error
    assert "yesterday" in error
    settings = DataSettings.model_validate({"dataset": "bad", "source": {"path": str(bad), "columns": columns}})
    assert not prepared_folder(settings).exists()


@pytest.fixture(scope="module")
def champion(log: Path, prefect_server: None) -> Report:
    return retrain(quick(**source(log)))


def test_a_csv_becomes_a_champion_of_its_own_name(champion: Report) -> None:
    version = MlflowClient(tracking_uri()).get_model_version_by_alias("ncf-shop", "champion")
    assert int(version.version) == champion.champion == 1


def test_recommendations_carry_the_logs_own_ids(champion: Report, workspace: Path) -> None:
    frame = pd.read_csv(workspace / "recommendations" / "shop.csv")
    assert set(frame["user_id"]) == {f"user-{user:02}" for user in range(LISTENERS)}
    assert set(frame["item_id"]) <= {f"song-{song:02}" for song in range(SONGS)}


def test_the_run_says_where_the_data_came_from_and_what_was_in_it(champion: Report, log: Path) -> None:
    client = MlflowClient(tracking_uri())
    run = client.get_run(champion.run_id)
    assert run.data.params["source.path"] == str(log)
    report = Path(client.download_artifacts(champion.run_id, "data_report.md")).read_text(encoding="utf-8")
    assert f"| users | {LISTENERS} |" in report
