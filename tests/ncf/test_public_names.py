"""`import ncf`: quick, and the names that it promises."""

import doctest
import pydoc
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

import ncf


@pytest.mark.parametrize("name", ncf.__all__)
def test_every_name_is_there_explained_and_listed(name: str) -> None:
    value = getattr(ncf, name)
    assert value.__doc__
    assert name in dir(ncf)
    assert name in str(ncf.__doc__)


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="module 'ncf' has no attribute 'trian'"):
        ncf.trian  # type: ignore[attr-defined]  # noqa: B018


def test_importing_it_imports_nothing_heavy_and_makes_no_file(tmp_path: Path) -> None:
    heavy = "{'torch', 'pandas', 'pytorch_lightning', 'pydantic'}"
    code = f"import sys, ncf; print(ncf.__version__, sorted({heavy} & sys.modules.keys()))"
    command = [sys.executable, "-c", code]
    home = {"HOME": str(tmp_path), "PYTHONPATH": str(Path(ncf.__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=home, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"{ncf.__version__} []\n"
    assert not list(tmp_path.iterdir())


def test_its_types_are_told_to_who_imports_it() -> None:
    assert (files("ncf") / "py.typed").is_file()


def test_help_shows_every_function_and_class() -> None:
    text = re.sub(r"\(\s+", "(", pydoc.plain(pydoc.render_doc(ncf)))  # Python 3.13 breaks long signatures
    assert "From a log to a list of recommendations" in text
    for words in ("train(data:", "load_ratings(source:", "class Recommender(", "class Bundle("):
        assert words in text


@pytest.mark.slow
def test_the_example_of_the_docstring_runs(movielens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(ncf, verbose=False)
    assert (failed, tried) == (0, 9)
    assert (tmp_path / "my-model" / "weights.safetensors").is_file()
