"""Promotions by real processes: killed at every step, at the same time, and by command."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient

from flows.registry.alias import Registry, locked
from flows.registry.log import Entry, read_log
from flows.registry.promotion import promote, reconcile, roll_back
from flows.retrain.old_runs import remove_weights_of_versions
from flows.tracking.store import connect
from ncf.files import CACHE_VARIABLE
from tests.e2e.processes import (
    QUICK,
    REPOSITORY,
    answers,
    environment,
    free_port,
    mlflow_server,
    prefect_server,
    python_module,
    running,
    wait_until,
)
from tests.flows.registry.placeholder_versions import NAME, change, count_weights, new_registry

MOMENTS = range(5)  # before the pending entry, after it, after the alias, after the entry is done, after the page


def run(command: list[str], env: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300)


def promoting(*args: str) -> list[str]:
    return python_module("tests.e2e.promotion_process", *args)


def assert_unbroken(entries: list[Entry]) -> None:
    """Each change began where the one before it had ended: none was overwritten."""
    done = [entry for entry in entries if entry.state == "done"]
    assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
    assert [entry.before for entry in done] == [None, *(entry.after for entry in done[:-1])]


@pytest.mark.slow
def test_killed_at_any_step_the_alias_is_on_a_complete_version_and_the_same_goes_on(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    connect(uri)
    registry = new_registry(uri, versions=1 + len(MOMENTS))
    promote(registry, change(1), None)
    env = environment(tmp_path, **{CACHE_VARIABLE: str(tmp_path / "cache")})
    for moment in MOMENTS:
        before, after = registry.champion(), moment + 2
        assert before == after - 1
        done = run(promoting("kill", uri, str(after), str(before), str(moment)), env, tmp_path)
        assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
        assert registry.champion() == (before if moment < 2 else after)
        assert count_weights(registry.client, int(registry.champion() or 0)) == (2, 2)
        with locked(registry):
            entries = reconcile(registry)
        assert "pending" not in {entry.state for entry in entries}
        if registry.champion() == before:
            promote(registry, change(after), before)
    entries = read_log(registry.client, NAME)
    assert_unbroken(entries)
    assert [(entry.after, entry.state) for entry in entries if entry.state != "done"] == [(3, "interrupted")]
    assert roll_back(registry, "ann@desk").after == len(MOMENTS)


@pytest.mark.slow
def test_by_command_on_the_laptop(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    connect(uri)
    registry = new_registry(uri, versions=3)
    promote(registry, change(1), None)
    promote(registry, change(2), 1)
    env = environment(tmp_path, **{CACHE_VARIABLE: str(tmp_path / "cache")})

    def command(*args: str) -> subprocess.CompletedProcess[str]:
        return run(python_module("flows.registry", *args, "--dataset", "shop"), env, tmp_path)

    back = command("rollback", "--reason", "complaints")
    assert (back.returncode, back.stdout) == (0, "Version 1 is the champion; it was version 2.\n"), back.stderr
    hand = command("promote", "--version", "3", "--reason", "the boss wants it")
    assert (hand.returncode, hand.stdout) == (0, "Version 3 is the champion; it was version 1.\n"), hand.stderr
    refused = command("promote", "--version", "9", "--reason", "why not")
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: ncf-shop has no such version: 9; allowed: 1, 2, 3")
    assert "Traceback" not in refused.stderr
    shown = command("log").stdout
    assert shown.startswith("Champion: version 3. Changes: 4.\n")
    for words in ("by hand, version 1 -> 3", "the boss wants it", "rolled back, version 2 -> 1", "complaints"):
        assert words in shown
    assert not (tmp_path / "prefect" / "prefect.db").exists(), "no Prefect server was started for it"


@dataclass(frozen=True)
class Servers:
    folder: Path
    tracking_uri: str
    prefect_url: str
    env: dict[str, str]

    def machine(self, name: str) -> dict[str, str]:
        """The environment of a machine of its own, that shares nothing but the servers."""
        home = self.folder / name
        home.mkdir(exist_ok=True)
        return environment(
            home,
            PREFECT_API_URL=self.prefect_url,
            MLFLOW_TRACKING_URI=self.tracking_uri,
            NCF_HOME=str(REPOSITORY),
            **{CACHE_VARIABLE: str(home / "cache")},
        )


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("servers")
    ports, log = (free_port(), free_port()), folder / "servers.log"
    tracking_uri, prefect_url = f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}/api"
    env = environment(folder, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    with ExitStack() as stack:
        for command in (mlflow_server(ports[0], folder), prefect_server(ports[1])):
            stack.enter_context(running(command, folder, env, log))
        wait_until(lambda: answers(f"{tracking_uri}/health") and answers(f"{prefect_url}/health"), log)
        yield Servers(folder, tracking_uri, prefect_url, env)


@pytest.fixture
def registry(servers: Servers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Registry]:
    """Six versions on the server; in this process the cache's file alone is the lock."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", servers.tracking_uri)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    yield new_registry(servers.tracking_uri, versions=6)
    MlflowClient(servers.tracking_uri).delete_registered_model(NAME)


@pytest.mark.slow
def test_promotions_from_two_machines_at_once_do_not_overwrite_each_other(
    servers: Servers, registry: Registry, tmp_path: Path
) -> None:
    turns = ["1", "2", "3"] * 3, ["4", "5", "6"] * 3
    started = [
        subprocess.Popen(
            promoting("race", servers.tracking_uri, *versions),
            cwd=tmp_path,
            env=servers.machine(name),
            stdout=subprocess.PIPE,
            text=True,
        )
        for name, versions in zip(("one", "two"), turns, strict=True)
    ]
    for process in started:
        assert process.wait(timeout=300) == 0
    entries = read_log(registry.client, NAME)
    assert_unbroken(entries)
    for versions in turns:
        mine = [str(entry.after) for entry in entries if str(entry.after) in versions]
        assert mine == versions, "each promotion happened, once, in its process's order"
    assert registry.champion() == entries[-1].after
    for process in started:
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.slow
def test_the_lock_of_a_machine_that_died_is_free_again(servers: Servers, registry: Registry, tmp_path: Path) -> None:
    command, log = promoting("hold", servers.tracking_uri), tmp_path / "held.log"
    with running(command, tmp_path, servers.machine("one"), log) as process:
        wait_until(lambda: "held" in log.read_text(), log)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = run(promoting("race", servers.tracking_uri, "2"), servers.machine("two"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert registry.champion() == 2


@pytest.mark.slow
def test_old_weights_go_from_a_server_that_keeps_the_files(registry: Registry) -> None:
    promote(registry, change(1), None)
    promote(registry, change(2), 1)
    assert remove_weights_of_versions(registry, keep=2) == [4, 3]
    assert [count_weights(registry.client, number) for number in range(1, 7)] == [
        *[(2, 2)] * 2,
        *[(0, 0)] * 2,
        *[(2, 2)] * 2,
    ]


@pytest.mark.slow
def test_two_retrainings_at_once_make_one_first_champion(
    servers: Servers, movielens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        processes, logs = [], []
        for name, seed in (("one", "0"), ("two", "1")):
            env, log = servers.machine(name), tmp_path / f"{name}.log"
            cache = Path(env[CACHE_VARIABLE])
            cache.mkdir(exist_ok=True)
            (cache / "movielens").symlink_to(movielens / "movielens")
            command = python_module("flows.retrain", *QUICK, f"--seed={seed}")
            processes.append(stack.enter_context(running(command, cache.parent, env, log)))
            logs.append(log)
        for process, log in zip(processes, logs, strict=True):
            assert process.wait(timeout=500) == 0, log.read_text()[-3000:]
    client = MlflowClient(servers.tracking_uri)
    entries = read_log(client, "ncf-ml-100k")
    assert_unbroken(entries)
    assert [entry.reason.startswith("there was none") for entry in entries] == [True] + [False] * (len(entries) - 1)
    versions = client.search_model_versions("name = 'ncf-ml-100k'")
    assert len(versions) == 2
    reasons = [version.tags["ncf.reason"] for version in versions]
    assert sum("than the champion" in reason for reason in reasons) == 1, reasons
    champion = client.get_model_version_by_alias("ncf-ml-100k", "champion")
    assert int(champion.version) == entries[-1].after
