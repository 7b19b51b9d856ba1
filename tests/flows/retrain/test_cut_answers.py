"""A retraining in whose course answers of MLflow are cut off: it tries again, and nothing is done twice."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from flows.retrain import flow as retrain
from flows.retrain import measure as baselines
from flows.retrain import train
from flows.tracking import COMPLETE, MODEL
from flows.tracking.tracker import Tracker
from tests.flows.conftest import quick
from tests.flows.stored_results import mlflow_runs

CUT = "API request to http://127.0.0.1/api failed with exception IncompleteRead(0 bytes read, 375 more expected)"


def cut_once(function: Callable[..., Any], cut: Counter[str]) -> Callable[..., Any]:
    """The function, whose first call is done and not answered."""

    def called(*given: Any, **named: Any) -> Any:
        found = function(*given, **named)
        cut[function.__name__] += 1
        if cut[function.__name__] == 1:
            raise MlflowException(CUT)
        return found

    return called


def test_what_was_begun_goes_on_after_an_answer_that_was_cut_off(
    tmp_path: Path, workspace: Path, prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cut: Counter[str] = Counter()
    places = (
        (Tracker, "start_retraining"),
        (baselines, "measure"),
        (train, "training_chart"),
        (MlflowClient, "set_terminated"),
        (retrain, "log_comparison"),
    )
    for owner, name in places:
        monkeypatch.setattr(owner, name, cut_once(getattr(owner, name), cut))
    short: Any = {"training": {"max_epochs": 2}}
    settings = quick(gmf=short, mlp=short, neumf=short, neumf_pretrained=short)
    report = retrain.retrain(settings)
    assert set(cut) == {name for _, name in places}
    [parent] = mlflow_runs()
    assert (parent.info.run_id, parent.info.status) == (report.run_id, "FINISHED") and COMPLETE in parent.data.tags
    models = mlflow_runs(report.run_id)
    assert Counter(run.data.tags[MODEL] for run in models) == Counter(row.name for row in report.rows)
    assert all(COMPLETE in run.data.tags and run.info.status == "FINISHED" for run in models)
    assert report.version == 1
