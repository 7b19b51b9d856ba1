"""The README's commands as a newcomer types them, in a clean copy of the checkout, one after the other.

They are taken from README.md. What takes long is made short by further options (QUICK: 500 users, few epochs; a search
of two trials), and servers get free ports; nothing else is changed. The virtual environment is the tests' own.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import requests
from mlflow import MlflowClient

from ncf.files import CACHE_VARIABLE
from tests.docs.make import make, outside_make
from tests.docs.pages import PAGES, fences, shell_lines
from tests.e2e.processes import QUICK, REPOSITORY, answers, environment, free_port, python_module, running, wait_until
from tests.two_taste_log import song_log

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
README = PAGES[0]
SHOP = "--dataset shop --source.path plays.csv"
TUNED = "--settings tuned"
HERE = {
    "make retrain",
    "make recommend ARGS=--top-k 20 --output.path lists.parquet",
    "make monitor",
    f"make prepare ARGS={SHOP}",
    f"make retrain ARGS={SHOP}",
    "make tune",
    f"make retrain ARGS={TUNED}",
    "make serve",
    "make mlflow",
    "make retrain ARGS=--help",
    "make rollback",
}
ELSEWHERE = {
    "make test": "this is a part of it",
    "make up": "tests/e2e/test_up.py",
    ".venv/bin/prefect deployment run retrain/ml-100k --watch": "tests/e2e/test_servers.py",
    "make docs-serve": "make docs builds the same, in CI",
    "make retrain ARGS=--seed 1": "the first command with another seed",
    "make retrain ARGS=--force": "after an installation",
    ".venv/bin/pip install -c constraints.txt -e .[als]": "an installation",
}


@dataclass(frozen=True)
class Copy:
    """A clean copy of the checkout."""

    folder: Path
    env: dict[str, str]

    def command(self, typed: str, *further: str) -> list[str]:
        """A command of the README with further options; it must be there exactly as it is typed here."""
        assert typed in HERE and typed in commands(), f"the README has no {typed!r} any more"
        target, *rest = typed.removeprefix("make ").split(" ARGS=", maxsplit=1)
        args = " ".join([*rest, *further])
        return make(target, *([f"ARGS={args}"] if args else []))

    def make(self, typed: str, *further: str) -> str:
        """Run it to its end; returns what it showed."""
        return self.run(*self.command(typed, *further))

    def run(self, *command: str) -> str:
        """Run a command in the copy to its end; returns what it showed."""
        done = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=900)
        shown = done.stdout + done.stderr
        assert done.returncode == 0, f"{command}:\n{shown[-5000:]}"
        assert "Traceback" not in shown, shown[-5000:]
        return shown


def commands() -> list[str]:
    """What the README lets a user type."""
    return [" ".join(words) for words in shell_lines(README)]


@pytest.fixture(scope="module")
def copy(movielens: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    folder = tmp_path_factory.mktemp("newcomer") / "ncf"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    shutil.copytree(movielens / "movielens", folder.parent / "cache" / "movielens")
    variables = {CACHE_VARIABLE: str(folder.parent / "cache"), "PYTHONPATH": str(folder)}
    yield Copy(folder, outside_make(environment(folder.parent, **variables)))


@pytest.fixture(scope="module")
def retrained(copy: Copy) -> str:
    """What the first command showed."""
    return copy.make("make retrain", *QUICK)


def test_every_command_is_run_here_or_somewhere_else() -> None:
    shown = {typed for typed in commands() if typed.split()[0] in ("make", ".venv/bin/prefect", ".venv/bin/pip")}
    assert shown == HERE | ELSEWHERE.keys()


def test_the_first_command_ends_with_a_champion_and_the_second_time_trains_nothing(copy: Copy, retrained: str) -> None:
    assert "Version 1 (" in retrained and "is the new champion" in retrained
    for model in ("popularity", "item-knn", "ease", "gmf", "mlp", "neumf", "neumf-pretrained"):
        assert f"\n{model} " in retrained
    assert (copy.folder / "recommendations" / "ml-100k.csv").exists()
    assert "Nothing has changed since the last retraining" in copy.make("make retrain", *QUICK)


def test_the_champion_answers_from_python(copy: Copy, retrained: str) -> None:
    [code] = [code for code in fences(README, "python") if "mlflow" in code]
    *lines, last = code.strip().splitlines()
    script = "\n".join([*lines, f"print({last}.to_csv(index=False))"])
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=copy.folder, env=copy.env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    header, *rows = [line for line in done.stdout.splitlines() if line.count(",") >= 4]
    assert header == "user_id,item_id,rank,score,source"
    assert [row.split(",")[0] for row in rows] == ["1"] * 5 + ["2"] * 5


def test_lists_and_a_look_at_the_data(copy: Copy, retrained: str) -> None:
    copy.make("make recommend ARGS=--top-k 20 --output.path lists.parquet")
    lists = pd.read_parquet(copy.folder / "lists.parquet")
    assert lists.groupby("user_id").size().max() == 20
    assert "since version 1" in copy.make("make monitor")


def test_a_log_of_ones_own(copy: Copy) -> None:
    song_log("user_id", "item_id", "timestamp").to_csv(copy.folder / "plays.csv", index=False)
    assert "rows read" in copy.make(f"make prepare ARGS={SHOP}")
    assert "Version 1 (" in copy.make(f"make retrain ARGS={SHOP}", *QUICK)
    assert (copy.folder / "recommendations" / "shop.csv").exists()


def test_tuning_and_retraining_with_what_was_found(copy: Copy, retrained: str) -> None:
    small = [option for option in QUICK if not option.startswith("--settings")]
    short = ("--model gmf --start defaults --budget.trials 2 --confirm-seeds 1", "--gmf.training.max-epochs=2")
    space = """--space '{"gmf.training.max_epochs": null}'"""
    copy.make("make tune", "--data.filters.max-users=500", *short, space)
    assert "gmf" in copy.make(f"make retrain ARGS={TUNED}", *small)


@pytest.mark.parametrize(
    ("typed", "path"),
    [("make serve", "/recommendations?user_id=1"), ("make mlflow", "/health")],
)
def test_servers(copy: Copy, retrained: str, typed: str, path: str) -> None:
    port, log = free_port(), copy.folder.parent / "server.log"
    further = (f"--port {port}",) if typed == "make serve" else ()
    command = [*copy.command(typed, *further), f"PORT={port}"]
    with running(command, copy.folder, copy.env, log):
        wait_until(lambda: answers(f"http://127.0.0.1:{port}{path}"), log)
        if typed == "make serve":
            listed = requests.get(f"http://127.0.0.1:{port}{path}", timeout=10).json()["recommendations"]
            assert len(listed) == 10


def test_help(copy: Copy) -> None:
    shown = copy.make("make retrain ARGS=--help")
    assert "--gmf.training.learning-rate" in shown and "default: 0.003" in shown


def test_a_rollback(copy: Copy, retrained: str) -> None:
    copy.run(*python_module("flows.retrain", *QUICK, "--seed", "1"))
    found = MlflowClient(f"sqlite:///{copy.folder}/mlruns/mlflow.db").search_model_versions("name = 'ncf-ml-100k'")
    newest = str(max(int(version.version) for version in found))
    by_hand = ("promote", "--version", newest, "--reason", "to have one to go back from", "--force")
    copy.run(*python_module("flows.registry", *by_hand))
    assert "is the champion; it was version" in copy.make("make rollback")
