"""The wheel: what is in it, and that a retraining runs from it, far from any checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from ncf import __version__
from ncf.files import CACHE_VARIABLE
from tests.e2e.processes import QUICK, REPOSITORY, environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of what git tracks: setuptools leaves a folder behind, and takes up what is left in one."""
    folder = tmp_path_factory.mktemp("wheel")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in filter(None, tracked.stdout.split("\0")):
        if name.startswith(("ncf/", "tuning/", "flows/")) or name in ("pyproject.toml", "README.md", "LICENSE"):
            copy = folder / "source" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((REPOSITORY / name).read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([*build, str(folder / "source")], check=True, timeout=600)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel, and with what the tests' own environment has for it to use.

    .ci/versions installs it with nothing but its own dependencies.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True, symlinks=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel], check=True)
    own = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    # a folder in a .pth file is added without its own .pth files, such as the one of this checkout
    (Path(own.stdout.strip()) / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


def test_every_file_that_is_no_module_is_in_it(wheel: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "ncf", "tuning", "flows"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.split()
    wanted = {name for name in tracked if not name.endswith((".py", ".md"))}
    assert "ncf/py.typed" in wanted
    with zipfile.ZipFile(wheel) as files:
        names = set(files.namelist())
    assert wanted <= names
    assert {name.split("/")[0] for name in names} == {"ncf", "tuning", "flows", f"ncf_mlops-{__version__}.dist-info"}


def test_a_retraining_runs_from_it(scripts: Path, movielens: Path, tmp_path: Path) -> None:
    shutil.copytree(movielens / "movielens", tmp_path / "cache" / "movielens")
    env = environment(tmp_path, **{CACHE_VARIABLE: str(tmp_path / "cache")})
    told = [name for name in env if name.startswith("PREFECT_") and name != "PREFECT_HOME"]
    for name in (*told, "PYTHONPATH", "DO_NOT_TRACK"):  # the command itself says what Prefect needs
        del env[name]
    where = subprocess.run(
        [scripts / "python", "-c", "import flows, ncf; print(ncf.__file__, flows.__file__)"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(Path(file).is_relative_to(scripts.parent) for file in where.stdout.split())
    done = subprocess.run(
        [scripts / "ncf", "retrain", *QUICK], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=900
    )
    shown = done.stdout + done.stderr
    assert done.returncode == 0, shown
    assert "database is locked" not in shown
    assert "Traceback" not in shown
    assert "Version 1 (" in shown
    assert (tmp_path / "recommendations" / "ml-100k.csv").stat().st_size > 0


def test_a_preset_is_found_in_it(scripts: Path, tmp_path: Path) -> None:
    code = (
        "from flows.retrain.resolve_settings import preset_for; from flows.retrain.settings import RetrainSettings;"
        "print(preset_for(RetrainSettings(dataset='ml-100k')).dataset)"
    )
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([scripts / "python", "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout == "ml-100k\n", done.stderr
