"""A store finds its files beside itself: where it was moved to, in a copy, behind a link, with a server and without."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache

from flows.registry.alias import Registry, remove_weights
from flows.tracking.locations import COLUMNS, TrackingError
from flows.tracking.store import connect, global_store
from flows.tracking.tracker import Tracker
from tests.e2e.processes import REPOSITORY
from tests.flows.registry.placeholder_versions import NAME, add_version, count_weights, name_folders, new_registry

FOLDERS = ["moved", "100% new", "with blanks", "a#b;c", "münchen", "a+b&c=d"]


@pytest.fixture(autouse=True)
def _forgetful() -> Iterator[None]:
    """MLflow remembers the files of a run for the life of a process; a test has the same run in several folders."""
    _artifact_repos_cache.clear()
    yield
    _artifact_repos_cache.clear()


@pytest.fixture
def home(store: str, tmp_path: Path) -> Path:
    """The folder of a store with two versions."""
    new_registry(store, versions=2)
    _artifact_repos_cache.clear()
    return tmp_path / "mlruns"


def uri(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def locations(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return [
            row[0]
            for table, columns in COLUMNS.items()
            for column in columns
            for row in connection.execute(f"SELECT {column} FROM {table}")
        ]


def move(home: Path, to: Path) -> None:
    to.parent.mkdir(parents=True)
    home.rename(to)


def copy(home: Path, to: Path) -> None:
    shutil.copytree(home, to)


def test_a_store_names_no_folder(home: Path) -> None:
    assert len(locations(home / "mlflow.db")) == 10
    assert {place.partition(":")[0] for place in locations(home / "mlflow.db")} == {"mlflow-artifacts", "models"}


@pytest.mark.parametrize("earlier", [False, True], ids=["", "named"])
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_moved_store_works_where_it_is(home: Path, tmp_path: Path, folder: str, earlier: bool) -> None:
    if earlier:
        name_folders(home / "mlflow.db", home)
    moved = tmp_path / folder / "mlruns"
    move(home, moved)
    registry = Registry(uri(moved), NAME)
    assert count_weights(registry.client, 1) == (2, 2)
    assert add_version(registry) == 3
    assert count_weights(registry.client, 3) == (2, 2)
    remove_weights(registry.client, registry.uri, registry.version(1))
    assert count_weights(registry.client, 1) == (0, 0)
    assert count_weights(registry.client, 2) == (2, 2)
    assert not home.exists()
    with global_store(registry.uri):
        found = mlflow.artifacts.download_artifacts(f"models:/{NAME}/3", dst_path=str(tmp_path / "loaded"))
    assert (Path(found) / "artifacts" / "bundle" / "weights.safetensors").exists()


@pytest.mark.parametrize("earlier", [False, True], ids=["", "named"])
def test_a_copy_never_touches_the_original(home: Path, tmp_path: Path, earlier: bool) -> None:
    if earlier:
        name_folders(home / "mlflow.db", home)
    copied = tmp_path / "copy" / "mlruns"
    copy(home, copied)
    before = content(home)
    registry = Registry(uri(copied), NAME)
    add_version(registry)
    remove_weights(registry.client, registry.uri, registry.version(1))
    assert [count_weights(registry.client, version) for version in (1, 2, 3)] == [(0, 0), (2, 2), (2, 2)]
    assert content(home) == before
    shutil.rmtree(copied / "artifacts")
    _artifact_repos_cache.clear()
    assert count_weights(registry.client, 2) == (0, 0), "it read the weights of the original"
    assert content(home) == before


def test_a_database_that_was_copied_alone_says_what_puts_it_right(home: Path, tmp_path: Path) -> None:
    name_folders(home / "mlflow.db", home)
    (tmp_path / "copy").mkdir()
    shutil.copy(home / "mlflow.db", tmp_path / "copy" / "mlflow.db")
    before = content(home)
    with pytest.raises(TrackingError, match="copied without them") as raised:
        connect(uri(tmp_path / "copy"))
    assert content(home) == before
    command = str(raised.value.do).partition(": ")[2]
    assert subprocess.run(command, shell=True, check=False).returncode == 0
    assert count_weights(connect(uri(tmp_path / "copy")), 1) == (2, 2)


def test_locations_elsewhere_on_purpose_stay(home: Path) -> None:
    client = connect(uri(home))
    places = ["s3://bucket/artifacts/x", "file:///big/disk/runs", "mlflow-artifacts://other:5000/7"]
    for number, place in enumerate(places):
        client.create_experiment(f"elsewhere {number}", artifact_location=place)
    connect(uri(home))
    assert set(places) <= set(locations(home / "mlflow.db"))


def test_a_renamed_experiment_and_a_deleted_one_are_found_too(home: Path, tmp_path: Path) -> None:
    name_folders(home / "mlflow.db", home)
    moved = tmp_path / "moved" / "mlruns"
    move(home, moved)
    with closing(sqlite3.connect(moved / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE experiments SET name = 'old shop', lifecycle_stage = 'deleted' WHERE name = 'shop'")
    assert count_weights(connect(uri(moved)), 2) == (2, 2)


@pytest.mark.parametrize("linked", ["mlruns", "mlruns/mlflow.db", "mlruns/artifacts"])
def test_links_lead_to_the_store(home: Path, tmp_path: Path, linked: str) -> None:
    link = tmp_path / "checkout" / linked
    link.parent.mkdir(parents=True)
    if linked == "mlruns/artifacts":  # the files on another disk
        home.joinpath("mlflow.db").rename(link.with_name("mlflow.db"))
        home = home.rename(tmp_path / "disk")
        link.symlink_to(home / "artifacts")
    else:
        link.symlink_to(tmp_path / linked)
    registry = Registry(uri(tmp_path / "checkout" / "mlruns"), NAME)
    add_version(registry)
    assert [count_weights(registry.client, version) for version in (1, 3)] == [(2, 2), (2, 2)]
    assert len(list((home / "artifacts").rglob("weights.safetensors"))) == 6


def test_the_experiment_of_a_server_is_used_where_its_files_are(home: Path) -> None:
    client = connect(uri(home))
    experiment = client.create_experiment("served", artifact_location="mlflow-artifacts:/7")
    with pytest.raises(TrackingError, match="make up"):
        _ = Tracker("served", uri(home)).experiment_id
    (home / "artifacts" / "7").mkdir()
    assert Tracker("served", uri(home)).experiment_id == experiment


def test_no_location_leaves_the_folder(home: Path) -> None:
    client = connect(uri(home))
    experiment = client.create_experiment("outside", artifact_location="mlflow-artifacts:/../..")
    run = client.create_run(experiment)
    with pytest.raises(MlflowException, match="Invalid path"):
        client.log_text(run.info.run_id, "", "file")


KILLED = """
import os, signal, sys
from pathlib import Path
from flows.tracking import locations
replace = locations._replace
def killed(*args):
    replace(*args)
    os.kill(os.getpid(), signal.SIGKILL)
locations._replace = killed
locations.forget_folders(Path(sys.argv[1]))
"""


def test_a_kill_while_locations_are_corrected_leaves_them_for_the_next_command(home: Path, tmp_path: Path) -> None:
    name_folders(home / "mlflow.db", tmp_path / "old")
    before = locations(home / "mlflow.db")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(home / "mlflow.db")], cwd=REPOSITORY, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert locations(home / "mlflow.db") == before
    assert count_weights(connect(uri(home)), 1) == (2, 2)


def test_many_processes_may_correct_a_store_at_once(home: Path, tmp_path: Path) -> None:
    name_folders(home / "mlflow.db", tmp_path / "old")
    code = f"from pathlib import Path; from flows.tracking.locations import *; forget_folders(Path('{home}/mlflow.db'))"
    processes = [subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert {place.partition(":")[0] for place in locations(home / "mlflow.db")} == {"mlflow-artifacts", "models"}


def test_mlflows_own_commands_find_the_files(home: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved" / "mlruns"
    move(home, moved)
    command = [sys.executable, "-m", "mlflow", "artifacts", "download", "--artifact-uri", f"models:/{NAME}/1"]
    env = os.environ | {"MLFLOW_TRACKING_URI": uri(moved), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [*command, "--dst-path", str(tmp_path / "out")],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "out").rglob("weights.safetensors"))


READ = """
import os, sys
from flows.registry.alias import Registry, why_incomplete
def read(uri):
    registry = Registry(uri, "ncf-shop")
    return why_incomplete(registry.client, uri, registry.version(1))
assert read(sys.argv[1]) == ""  # imports what another account may not
if os.geteuid() == 0:
    os.setuid(65534)
assert read(sys.argv[2]) == ""
"""


def test_a_store_that_may_only_be_read_is_read(home: Path) -> None:
    with TemporaryDirectory(dir="/tmp") as open_to_all:
        folder = Path(open_to_all)
        copy(home, folder / "mlruns")
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        done = subprocess.run(
            [sys.executable, "-c", READ, uri(home), uri(folder / "mlruns")],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)
    assert done.returncode == 0, done.stderr


OTHERS = {  # columns that sound like locations of runs or models, and have none in a store of ours
    "datasets.dataset_source",
    "evaluation_dataset_records.source",
    "mcp_server_versions.source",
    "workspaces.default_artifact_root",
    "workspaces.trace_archival_location",
}


def test_the_columns_that_have_locations_are_those_of_the_installed_mlflow(home: Path) -> None:
    cells = set()
    with closing(sqlite3.connect(home / "mlflow.db")) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            cells |= {(table, row[1]) for row in connection.execute(f"PRAGMA table_info({table})")}
        with_scheme = {
            f"{table}.{column}"
            for table, column in cells
            if connection.execute(f"SELECT 1 FROM {table} WHERE {column} LIKE 'mlflow-artifacts:%'").fetchone()
        }
        with_folder = {
            f"{table}.{column}"
            for table, column in cells
            if connection.execute(f"SELECT 1 FROM {table} WHERE instr({column}, ?)", (str(home),)).fetchone()
        }
    known = {f"{table}.{column}" for table, columns in COLUMNS.items() for column in columns}
    sound = {f"{table}.{column}" for table, column in cells if re.search("location|uri$|root$|source$", column)}
    assert sound == known | OTHERS
    assert with_scheme == known - {"model_versions.source"}, "which is models:/ID, but by another way a location"
    assert with_folder == set()
