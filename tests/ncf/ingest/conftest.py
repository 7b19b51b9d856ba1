import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ncf.ingest import releases
from tests.ncf.ingest.web_server import Web, running_web_server


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """An empty web server on this machine; whatever a test puts there is found there, over real HTTP."""
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(variable, "127.0.0.1")
    with running_web_server() as running:
        yield running


@pytest.fixture
def places(tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose `wheels` is the package index; GroupLens is `web`. Both are empty, and on this machine."""
    (tmp_path / "wheels").mkdir()
    monkeypatch.setattr(releases, "BASE_URL", web.url)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return tmp_path
