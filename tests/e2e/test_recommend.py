"""`python -m flows.recommend` as a user runs it: killed half-way, and run again."""

import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ncf.files import CACHE_VARIABLE
from tests.e2e.processes import environment, python_module, running, wait_until
from tests.flows.registry.registered_models import make_champion
from tests.ncf.serving.bundles import CONFIGS, bundle_of
from tests.ncf.toy_data import random_data

pytestmark = pytest.mark.slow

USERS = 600


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    data = random_data(np.random.default_rng(0), USERS, 60)
    make_champion("shop", bundle_of(data, CONFIGS[2]))
    return tmp_path


def command(output: str, *args: str) -> list[str]:
    return python_module("flows.recommend", "--dataset=shop", f"--output.path={output}", *args)


def done(folder: Path, env: dict[str, str], line: list[str]) -> str:
    result = subprocess.run(line, cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout + result.stderr


def test_killed_the_same_command_goes_on_and_ends_with_the_same_bytes(folder: Path) -> None:
    env = environment(folder, **{CACHE_VARIABLE: str(folder / "cache")})
    small = command("lists.parquet", "--block-rows=10")
    log = folder / "killed.log"
    parts = folder / "cache" / "recommendations"
    with running(small, folder, env, log) as process:
        wait_until(lambda: len(list(parts.glob("*/*.parquet"))) > 50, log)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    before = len(list(parts.glob("*/*.parquet")))
    assert before < USERS
    assert not (folder / "lists.parquet").exists()

    shown = done(folder, env, small)
    assert f"{before:,} of {USERS:,} users are done already: continuing from there" in shown
    assert f"Top 10 of {USERS:,} users by version 1" in shown
    assert not list(parts.glob("*/"))

    elsewhere = env | {CACHE_VARIABLE: str(folder / "other-cache")}
    done(folder, elsewhere, command("reference.parquet", "--block-rows=10"))
    assert (folder / "lists.parquet").read_bytes() == (folder / "reference.parquet").read_bytes()


def test_a_wrong_option_and_a_missing_champion_are_one_line(tmp_path: Path) -> None:
    env = environment(tmp_path, **{CACHE_VARIABLE: str(tmp_path / "cache")})
    for line, code, words in (
        (command("lists.xlsx"), 2, "must end in one of .parquet, .csv, .csv.gz"),
        (command("lists.csv"), 1, "there is no champion of the registered model: 'ncf-shop'"),
    ):
        result = subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
        assert result.returncode == code
        assert words in result.stderr
        assert result.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir() if path.name not in ("prefect", "cache")] == []
