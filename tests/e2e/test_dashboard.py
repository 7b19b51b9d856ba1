"""`make optuna`: Optuna's dashboard on the studies, or what to do where there are none."""

from pathlib import Path

import pytest
import requests

from flows.tune import dashboard
from tests.e2e.processes import answers, environment, free_port, python_module, running, wait_until
from tests.tuning.small_studies import QUICK, gmf_problem
from tuning.study import open_study


def test_without_studies_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NCF_STUDY_URL", raising=False)
    assert dashboard.main(free_port()) == 1
    assert "error: there are no studies yet" in (told := capsys.readouterr().err) and "what to do: ncf tune" in told
    assert list(tmp_path.iterdir()) == [], "looking makes nothing"


@pytest.mark.slow
def test_it_shows_the_studies_on_this_machine_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    open_study(url, "board", gmf_problem(), config=QUICK)
    port, log = free_port(), tmp_path / "log"
    env = environment(tmp_path, NCF_STUDY_URL=url)
    with running(python_module("flows.tune.dashboard", str(port)), tmp_path, env, log):
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/api/studies"), log)
        studies = requests.get(f"http://127.0.0.1:{port}/api/studies", timeout=30).json()["study_summaries"]
    assert [study["study_name"] for study in studies] == ["board"]
