"""What a command prints arrives in every encoding of a terminal; beside a Prefect server nothing else is printed."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.processes import environment

TABLE = """
import logging
from rich.console import Console
from flows.charts.chart import TextTable
from flows.cli.command import run_command
from flows.recommend.settings import RecommendSettings

def run(settings):
    table = TextTable(["model", "NDCG@10 ±"], [["gmf", ".1234 ±.001"], ["Élisa…", "1 → 2"]])
    Console().print(table.terminal("Café ±"))
    logging.basicConfig()
    logging.warning("half the interval ±.001 中")

raise SystemExit(run_command(RecommendSettings, run, []))
"""
LATE = """
import flows, logging, warnings
warnings.simplefilter("error")
import prefect
from prefect.logging.configuration import setup_logging
setup_logging()
logging.getLogger("ncf").setLevel(logging.INFO)
logging.getLogger("ncf.serving").info("version 1 serves")
"""


def run(code: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    env = environment(folder, COLUMNS="100", **variables)
    (folder / "code.py").write_text(code, encoding="utf-8")
    return subprocess.run([sys.executable, "code.py"], cwd=folder, env=env, capture_output=True, timeout=120)


@pytest.mark.parametrize(
    ("encoding", "half", "title"),
    [("ascii", "+-", "Cafe"), ("utf-8", "±", "Café"), ("cp1252", "±", "Café"), ("cp437", "±", "Café")],
)
def test_a_table_and_a_log_line_arrive_in_every_encoding(tmp_path: Path, encoding: str, half: str, title: str) -> None:
    done = run(TABLE, tmp_path, PYTHONIOENCODING=encoding)
    shown, logged = done.stdout.decode(encoding), done.stderr.decode(encoding)
    assert done.returncode == 0, logged
    assert f".1234 {half}.001" in shown and title in shown
    assert f"half the interval {half}.001" in logged
    assert "Traceback" not in logged


def test_the_c_locale_and_an_encoding_with_a_handler_of_its_own(tmp_path: Path) -> None:
    done = run(TABLE, tmp_path, LANG="C", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 0, done.stderr
    chosen = run(TABLE, tmp_path, PYTHONIOENCODING="ascii:xmlcharrefreplace")
    assert b".1234 &#177;.001" in chosen.stdout, "what the user has chosen stays"


def test_a_log_line_outside_of_any_flow_is_no_warning_beside_a_prefect_server(tmp_path: Path) -> None:
    done = run(LATE, tmp_path, PREFECT_API_URL="http://127.0.0.1:9/api")
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert b"attempted to send logs" not in done.stderr and b"UserWarning" not in done.stderr
