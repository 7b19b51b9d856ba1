from collections.abc import Iterator

import pytest

from tests.ncf.data.sources.webserver import Web, serving


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """An empty web server on this machine; whatever a test puts there is found there, over real HTTP."""
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(variable, "127.0.0.1")
    with serving() as running:
        yield running
