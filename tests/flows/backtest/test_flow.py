"""The flow backtest on a small planted log: real trainings, a real MLflow store, a real Prefect server."""

import io
import logging
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow.entities import Run
from prefect.client.schemas.objects import Artifact
from rich.console import Console

from flows.backtest.flow import backtest
from flows.backtest.report import BacktestReport
from flows.backtest.settings import BacktestSettings
from flows.orchestration.artifacts import artifact_key
from flows.tracking.tracker import Tracker
from ncf.data import RATING, USER_ID
from ncf.errors import ConfigError, DataError
from tests.flows.stored_results import newest_artifact
from tests.ncf.backtest.logs import colours, log_of

pytestmark = pytest.mark.slow  # some twenty trainings, one after the other

DATASET = "two_colours"
WEEKS, FIRST_DAY = 6, "1997-06-02"  # two weeks after the log begins
SHORT = {"model": {"embedding_dim": 4}, "training": {"max_epochs": 1, "batch_size": 1024}}


@pytest.fixture(scope="module")
def log(workspace: Path, empty_store: Path) -> Path:
    """User ids are text with leading zeros, one of them NA: what a table must give back as it was."""
    (workspace / "mlruns").mkdir()
    shutil.copy(empty_store, workspace / "mlruns" / "mlflow.db")
    frame = log_of(colours(WEEKS)).frame
    frame[USER_ID] = ["NA" if user == 7 else f"{user:05}" for user in frame[USER_ID]]
    frame.drop(columns=RATING).to_csv(workspace / "colours.csv", index=False)
    return workspace / "colours.csv"


def small(log: Path, **changes: Any) -> BacktestSettings:
    source = {"path": str(log), "time_unit": "us", "ids": {"null_words": "keep"}}
    values = {"dataset": DATASET, "source": source, "start": f"{FIRST_DAY}T00:00:00Z", "data": {"num_candidates": 5}}
    recipes = {"gmf": SHORT, "mlp": {"model": {"layers": [8, 4]}, "training": {"max_epochs": 1}}}
    return BacktestSettings.model_validate(values | recipes | {"policies": ["weekly", "14d", "never"]} | changes)


@pytest.fixture(scope="module")
def first(log: Path, prefect_server: None) -> BacktestReport:
    return backtest(small(log))


def nested(parent: str) -> list[Run]:
    return sorted(Tracker(DATASET).nested(parent), key=lambda run: str(run.info.run_name))


def artifact(what: str) -> Artifact:
    return newest_artifact(artifact_key(DATASET, "backtest", what))


def test_a_moment_is_trained_once_for_all_policies_in_a_nested_run(first: BacktestReport) -> None:
    moments = nested(first.run_id)
    assert [run.info.run_name for run in moments] == [f"as of 1997-06-{day}" for day in ("02", "09", "16", "23")]
    assert [row.name for row in first.rows] == ["popularity", "weekly", "14d", "never"]
    assert [row.trainings for row in first.rows] == [0, 4, 2, 1]
    assert (first.windows, first.empty) == (4, 0)
    models = [model for run in moments for model in nested(run.info.run_id)]
    assert [run.data.tags["ncf.model"] for run in models] == ["gmf"] * 4
    assert {run.info.status for run in [*moments, *models]} == {"FINISHED"}
    weekly, never = first.rows[1], first.rows[3]
    assert weekly.seconds == pytest.approx(sum(run.data.metrics["seconds"] for run in moments))
    assert never.seconds == pytest.approx(moments[0].data.metrics["seconds"])


def test_each_training_saw_what_was_there_and_no_more(first: BacktestReport) -> None:
    frame = log_of(colours(WEEKS)).frame
    for run in nested(first.run_id):
        moment = pd.Timestamp(run.data.tags["ncf.as_of"], tz="UTC")
        before = frame[pd.to_datetime(frame["timestamp"], unit="us", utc=True) < moment]
        model = nested(run.info.run_id)[0]
        assert model.data.params["data.filters.as_of"].startswith(run.data.tags["ncf.as_of"])
        users = Tracker(DATASET).files.read_table(model.info.run_id, "users.csv")
        assert len(users) == (before[USER_ID].value_counts() >= 3).sum()


def test_the_figures_are_series_by_window_and_means_over_them(first: BacktestReport) -> None:
    tracker = Tracker(DATASET)
    parent = tracker.client.get_run(first.run_id)
    for row in first.rows:
        for metric, figure in (("hr_at_10", row.hr), ("ndcg_at_10", row.ndcg)):
            key = f"backtest/{row.name}/full/{metric}"
            series = tracker.series(first.run_id, [key])[key]
            assert list(series) == list(range(1, first.windows + 1))
            assert figure.value == pytest.approx(sum(series.values()) / len(series))
            assert parent.data.metrics[f"backtest_mean/{row.name}/full/{metric}"] == pytest.approx(figure.value)
    users = tracker.client.get_metric_history(first.run_id, "backtest/users")
    assert sum(point.value for point in users) == first.users
    assert pd.Timestamp(users[0].timestamp, unit="ms") == pd.Timestamp(FIRST_DAY)


def test_the_values_of_every_user_are_kept_with_their_ids_as_they_were(first: BacktestReport) -> None:
    table = Tracker(DATASET).files.read_table(first.run_id, f"windows/{FIRST_DAY}.csv", text=[USER_ID])
    assert {"NA", "00001"} <= set(table[USER_ID]) and table["interactions"].min() >= 1
    assert table["weekly/hr_at_10"].equals(table["never/hr_at_10"]), "one model serves all in the first window"


def test_every_pair_of_policies_is_compared(first: BacktestReport) -> None:
    pairs = [(difference.ours, difference.theirs) for difference in first.differences]
    among = [("weekly", "14d"), ("weekly", "never"), ("14d", "never")]
    assert pairs == [*among, *((name, "popularity") for name in ("weekly", "14d", "never"))]
    rows = {row.name: row for row in first.rows}
    for difference in first.differences:
        gain = rows[difference.ours].ndcg.value - rows[difference.theirs].ndcg.value
        assert difference.ndcg.value == pytest.approx(gain)
        assert difference.trainings == rows[difference.ours].trainings - rows[difference.theirs].trainings
        assert difference.ndcg.low is not None and difference.ndcg.low <= gain
    known = [row.known for row in first.rows[1:]]
    assert known == sorted(known, reverse=True) and first.rows[0].known is None  # type: ignore[type-var]


def test_the_curves_are_a_picture_and_a_page_that_needs_no_network(first: BacktestReport, tmp_path: Path) -> None:
    artifacts = Tracker(DATASET).files
    assert artifacts.read_bytes(first.run_id, "backtest.png").startswith(b"\x89PNG")
    page = artifacts.read_bytes(first.run_id, "backtest.html").decode()
    assert page.count("Plotly.newPlot(") >= 3 and not re.search(r"<(script|link|img)[^>]*(src|href)=", page)
    assert first.verdict() in page and all(row.name in page for row in first.rows)


def test_prefect_shows_how_far_it_is_and_what_came_out(first: BacktestReport) -> None:
    progress = artifact("progress")
    assert float(str(progress.data)) == 100
    assert "scored the window from" in str(progress.description)
    assert first.verdict() in str(artifact("report").data)
    assert '"policy": "weekly"' in str(artifact("policies").data)


def test_the_tables_fit_a_terminal(first: BacktestReport) -> None:
    with Console(width=80, record=True, file=io.StringIO()) as console:
        first.show(console)
    shown = console.export_text()
    assert "…" not in shown
    assert shown.count("popularity") >= 4 and "ncf backtest --help" in shown
    assert "/artifacts/backtest.html" in shown


def test_the_same_again_computes_nothing(first: BacktestReport, log: Path, tmp_path: Path) -> None:
    again = backtest(small(log, picture=tmp_path / "curves.png"))
    assert not again.trained
    assert again.model_copy(update={"trained": True, "next_steps": first.next_steps}) == first  # they name the picture
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_other_policies_on_a_log_that_has_grown_train_the_new_moments_alone(
    first: BacktestReport, log: Path, workspace: Path
) -> None:
    text = log.read_text().splitlines()
    later = [f"{number:05},{number % 48},{(10_000 + 7 * WEEKS + 6) * 86_400_000_000}" for number in range(30)]
    grown = workspace / "grown.csv"
    grown.write_text("\n".join([*text, *later]) + "\n")
    more = backtest(small(grown, policies=["weekly"]))
    assert more.trained and more.run_id != first.run_id
    assert [run.info.run_name for run in nested(more.run_id)] == ["as of 1997-06-30"]
    assert (more.windows, more.rows[1].trainings) == (5, 5)


def test_behind_a_gate_only_what_passes_it_serves(first: BacktestReport, log: Path) -> None:
    policies = ["weekly", "weekly-wins-ties", "weekly-surely-better", "never"]
    report = backtest(small(log, policies=policies))
    assert nested(report.run_id) == [], "the trainings are those of the policies without a gate"
    assert [row.name for row in report.rows[1:]] == policies
    assert [row.trainings for row in report.rows[1:]] == [4, 4, 4, 1]
    weekly, ties, better, never = (row.served for row in report.rows[1:])
    assert weekly == 4 and never == 1 and never <= better <= ties <= weekly
    values = {row.name: row.ndcg for row in report.rows}
    for served, same in ((1, "never"), (4, "weekly")):  # who serves the same models has the same figures
        for row in report.rows[2:4]:
            assert row.served != served or values[row.name] == values[same]


def test_how_many_trainings_are_to_come_is_told_after_the_first(
    log: Path, prefect_server: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        backtest(small(log, seed=3, policies=["14d", "never"]))
    told = [record.getMessage() for record in caplog.records if "more training" in record.getMessage()]
    assert len(told) == 1 and "1 more training, about a minute, unless" in told[0]


def test_too_many_trainings_are_refused_before_the_first(log: Path, prefect_server: None) -> None:
    advice = "--window-days 14 --policies 14d,monthly,never needs 2"
    with pytest.raises(ConfigError, match=rf"4 trainings.*up to 2 .*{advice}"):
        backtest(small(log, dataset="refused", policies=["weekly", "14d", "never"], most_trainings=2))
    assert Tracker("refused").client.get_experiment_by_name("refused") is None


def test_force_trains_again_and_finds_the_same(first: BacktestReport, log: Path) -> None:
    forced = backtest(small(log, force=True))
    assert forced.run_id != first.run_id and len(nested(forced.run_id)) == len(nested(first.run_id))
    figures = [[(row.hr, row.ndcg, row.known) for row in report.rows] for report in (first, forced)]
    assert figures[0] == figures[1]


def test_neumf_pretrained_trains_its_parts_at_each_moment(log: Path, prefect_server: None) -> None:
    tiny: dict[str, Any] = {"training": {"max_epochs": 1}}
    report = backtest(small(log, model="neumf-pretrained", policies=["never"], neumf_pretrained=tiny))
    (moment,) = nested(report.run_id)
    assert {run.data.tags["ncf.model"] for run in nested(moment.info.run_id)} == {"gmf", "mlp", "neumf-pretrained"}


def test_a_log_without_times_or_too_short_is_refused_before_any_run(
    workspace: Path, log: Path, prefect_server: None
) -> None:
    frame = pd.read_csv(log, dtype=str, keep_default_na=False)
    frame.drop(columns="timestamp").to_csv(workspace / "timeless.csv", index=False)
    for path, changes, words in (
        (workspace / "timeless.csv", {}, "needs the time of every interaction"),
        (log, {"window_days": 300, "policies": ["never"]}, "too short for a backtest"),
        (log, {"start": "1990-01-01T00:00:00Z"}, "starts before the log"),
    ):
        with pytest.raises(DataError, match=words):
            backtest(small(path, dataset="refused", **changes))
    assert Tracker("refused").client.get_experiment_by_name("refused") is None
