"""The flow `monitor`: what it finds, keeps in MLflow and Prefect, and tells; and what it does with odd logs."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from prefect import State

from flows.cli.command import parse, run_command
from flows.monitor import report as report_module
from flows.monitor.__main__ import run as monitor_command
from flows.monitor.flow import log_metrics, monitor
from flows.monitor.report import MonitorReport
from flows.monitor.settings import MonitorSettings
from flows.tracking.tracker import Tracker
from ncf.errors import ConfigError, NCFError
from ncf.files import CACHE_VARIABLE
from tests.flows.monitor.growing_log import CUT, make_shop, monitor_settings, rows_before, whole_log, write_log
from tests.flows.registry.registered_models import make_champion
from tests.flows.stored_results import newest_artifact
from tests.ncf.serving.bundles import bundle_of, some_data

DRIFT = "ncf.told.drift"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> Iterator[Path]:
    """A working folder with the champion of `shop`."""
    path = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        patch.setenv(CACHE_VARIABLE, str(path / "cache"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        assert make_shop(path, "shop") == 1
        yield path


def tags_of(dataset: str, version: int = 1) -> dict[str, str]:
    return dict(Tracker(dataset).client.get_model_version(f"ncf-{dataset}", str(version)).tags)


def artifact(key: str) -> str:
    return str(newest_artifact(key).data)


def state_of(settings: MonitorSettings) -> State[MonitorReport]:
    return monitor(settings, return_state=True)


def test_nothing_new_is_a_quiet_answer(folder: Path) -> None:
    write_log(rows_before(whole_log(), CUT), folder, "shop")
    state = state_of(monitor_settings("shop"))
    assert (state.name, state.is_completed()) == ("NothingNew", True)
    report = state.result()
    assert report.verdict() == "Nothing new since the champion, version 1 (gmf), was trained."
    assert (report.findings.new, report.findings.lost, report.passed, report.said) == (0, 0, [], "")
    assert "**Nothing new" in artifact("shop-monitor")


def test_beyond_a_threshold_it_is_told_once_for_a_state_of_the_data(folder: Path) -> None:
    write_log(rows_before(whole_log(), 175), folder, "shop")
    first = state_of(monitor_settings("shop"))
    assert first.name == "Drifted"
    report = first.result()
    assert [one.name for one in report.passed if one.name == "growth"] == ["growth"]
    assert report.said == "The event ncf.data-drifted was emitted."
    told = json.loads(tags_of("shop")[DRIFT])
    assert told["new"] == report.findings.new > 100
    again = monitor(monitor_settings("shop"))
    assert again.said == "The event ncf.data-drifted was emitted before."
    assert json.loads(tags_of("shop")[DRIFT]) == told
    write_log(whole_log(), folder, "shop")  # as much again
    grown = monitor(monitor_settings("shop", thresholds={"min_interactions": 100, "again": 1.5}))
    assert grown.said == "The event ncf.data-drifted was emitted."


@pytest.mark.slow
def test_a_new_champion_begins_anew(folder: Path) -> None:
    make_shop(folder, "renewed")
    write_log(whole_log(), folder, "renewed")
    for version in (1, 2):
        report = monitor(monitor_settings("renewed"))
        assert (report.version, report.said) == (version, "The event ncf.data-drifted was emitted.")
        if version == 1:
            make_shop(folder, "renewed")
            write_log(whole_log(), folder, "renewed")


def test_the_looks_at_a_version_are_series_of_one_run(folder: Path) -> None:
    make_shop(folder, "one_series")
    reports = []
    for day in (CUT, 160, 200):
        write_log(rows_before(whole_log(), day), folder, "one_series")
        reports.append(monitor(monitor_settings("one_series")))
    tracker = Tracker("one_series")
    assert len({report.run_id for report in reports}) == 1
    run = tracker.client.get_run(reports[0].run_id)
    assert run.info.run_name == "monitor one_series version 1"
    assert (run.data.tags["ncf.monitor"], run.info.status) == ("1", "FINISHED")
    assert "has changed since the champion" in run.data.tags["mlflow.note.content"]
    series = tracker.series(run.info.run_id, ["monitor/new_interactions", "monitor/popularity_psi"])
    found = [report.findings.new for report in reports]
    assert series["monitor/new_interactions"] == dict(enumerate(map(float, found), start=1))
    assert found[0] == 0 < found[1] < found[2]
    assert list(series["monitor/popularity_psi"]) == [2, 3]
    kept = tracker.files.read_json(run.info.run_id, "report.json")
    assert MonitorReport.model_validate(kept) == reports[2]
    log_metrics(tracker, reports[2])  # as a task does that is tried again
    assert list(tracker.series(run.info.run_id, ["monitor/look"])["monitor/look"].items()) == [(1, 1), (2, 2), (3, 3)]
    assert "| new, " not in artifact("one-series-monitor")
    assert "popularity shift (PSI)" in artifact("one-series-changes"), "Prefect's keys know no underscore"


@pytest.mark.slow
def test_a_log_that_has_shrunk_is_reported_and_nobody_retrains_on_it(folder: Path) -> None:
    make_shop(folder, "shrunk")
    log = whole_log()
    write_log(log[log["user_id"] > 4], folder, "shrunk")
    state = state_of(monitor_settings("shrunk"))
    assert state.name == "LogFault"
    report = state.result()
    assert [one.name for one in report.of_kind("fault")] == ["lost"]
    assert report.of_kind("drift")
    assert report.said.endswith("A damaged log triggers no retraining.")
    assert DRIFT not in tags_of("shrunk")
    assert "The event ncf.log-fault was emitted before." in monitor(monitor_settings("shrunk")).said
    write_log(log, folder, "shrunk")
    assert monitor(monitor_settings("shrunk")).said == "The event ncf.data-drifted was emitted."
    assert "ncf.told.fault" not in tags_of("shrunk")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda log: log.rename(columns={"item_id": "thing"}), "it can't be read: .*thing"),
        pytest.param(
            *(lambda log: log.assign(timestamp="yesterday"), "it can't be read: .*'yesterday'"), marks=pytest.mark.slow
        ),
        (
            lambda log: log.assign(user_id="u" + log["user_id"].astype(str)),
            r"changed their type \(user_id: int, now str",
        ),
        pytest.param(*(lambda log: log.iloc[:0], "it can't be read: .*no rows"), marks=pytest.mark.slow),
    ],
    ids=["renamed", "no time", "other ids", "empty"],
)
def test_a_changed_log_is_reported(folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame], words: str) -> None:
    if not (folder / "odd.csv").exists():
        make_shop(folder, "odd")
    write_log(change(rows_before(whole_log(), CUT)), folder, "odd")
    state = state_of(
        monitor_settings("odd", source={"path": "odd.csv", "columns": {"item": "item_id", "user": "user_id"}})
    )
    assert (state.name, state.is_completed()) == ("LogFault", True)
    assert re.search(words, state.result().verdict())
    assert "The log of odd looks damaged" in artifact("odd-monitor")


@pytest.mark.slow
def test_a_log_that_is_gone_is_reported(folder: Path) -> None:
    make_shop(folder, "gone")
    (folder / "gone.csv").unlink()
    report = monitor(monitor_settings("gone"))
    assert (report.status, report.findings) == ("LogFault", None)
    assert "no such file" in report.verdict()


@pytest.mark.slow
def test_a_log_read_by_other_filters_is_a_fault(folder: Path) -> None:
    make_shop(folder, "filtered")
    tracker = Tracker("filtered")
    run_id = str(tracker.client.get_model_version("ncf-filtered", "1").run_id)
    for name, value in {"kind": "implicit", "min_per_user": "5", "min_per_item": "1", "repeated": "last"}.items():
        part = "feedback" if name == "kind" else "filters"
        tracker.client.log_param(run_id, f"data.{part}.{name}", value)
    report = monitor(monitor_settings("filtered"))
    assert "other settings than the champion's log (data.filters.min_per_user 5, now 1)" in report.verdict()
    same = monitor_settings("filtered", data={"filters": {"min_per_user": 5, "as_of": "2020-01-01T00:00:00Z"}})
    assert monitor(same).status == "NothingNew"


@pytest.mark.slow
def test_a_champion_without_a_history_is_compared_all_the_same(folder: Path) -> None:
    data = some_data()
    make_champion("old", bundle_of(data))
    pairs = data.everything
    known = pd.DataFrame({"user_id": data.user_ids[pairs.users], "item_id": data.item_ids[pairs.items]})
    write_log(pd.concat([known, pd.DataFrame({"user_id": [999], "item_id": [1]})]), folder, "old")
    report = monitor(monitor_settings("old"))
    assert (report.findings.new, report.findings.lost, report.findings.activity) == (1, 0, None)


def test_a_champion_of_another_dataset_is_none(folder: Path) -> None:
    write_log(whole_log(), folder, "bakery")
    state = state_of(monitor_settings("bakery"))
    assert (state.name, state.is_completed()) == ("NoChampion", True)


def test_without_a_store_there_is_no_champion_and_none_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], prefect_server: None
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert run_command(MonitorSettings, monitor_command, []) == 0
    assert "ml-100k has no champion to compare the log with: ncf retrain" in capsys.readouterr().out
    assert not (tmp_path / "mlruns").exists()


def test_the_terminal_shows_before_and_since(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_shop(folder, "shown", metrics={"test/full/ndcg_at_10": 0.125})
    write_log(whole_log(), folder, "shown")
    args = ["--dataset", "shown", "--source.path", "shown.csv", "--thresholds.psi", "9", "--window-days", "14"]
    assert run_command(MonitorSettings, monitor_command, args) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for words in (
        "shown since version 1 (gmf) was trained what before since threshold",
        "share of unknown users - 0.0% 50%",
        "interactions a day 7.8 8.3 x 3 or / 3",
        "NDCG@10 of the next item test 0.1250",
    ):
        assert words in shown


@pytest.mark.slow
def test_with_the_embedded_server_nothing_is_told_and_nothing_remembered(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_shop(folder, "alone")
    write_log(whole_log(), folder, "alone")

    class Nowhere:
        url = None

    class Embedded:
        api = Nowhere()

    monkeypatch.setattr(report_module, "get_current_settings", Embedded)
    assert monitor(monitor_settings("alone")).said == "No event: there is no Prefect server."
    assert DRIFT not in tags_of("alone")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--thresholds.psi", "0"], "greater than 0"),
        (["--thresholds.again", "1"], "greater than 1"),
        (["--window-days", "0"], "greater than or equal to 1"),
        (["--tresholds.psi", "1"], "nearest: --thresholds.psi"),
        (["--dataset", "shop"], "needs a source"),
    ],
)
def test_a_wrong_option_is_named(args: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse(MonitorSettings, args)


@pytest.mark.slow
def test_a_champion_that_cannot_be_read_fails(folder: Path) -> None:
    make_shop(folder, "broken")
    for weights in folder.rglob("weights.safetensors"):
        if "broken" in str(weights):
            weights.unlink()
    with pytest.raises(NCFError, match="version 1 of ncf-broken|not a usable bundle"):
        monitor(monitor_settings("broken"))
