"""Prefect flows around ncf and tuning, tracked in MLflow. Each flow is a module: python -m flows.retrain."""

import codecs
import io
import os
import sys
import unicodedata

# What [tool.prefect] in pyproject.toml says, wherever a command runs; Prefect reads its settings when it is imported.
PREFECT_SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "true",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "ncf",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
}
OTHERS = {"DO_NOT_TRACK": "1", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}  # two links for each of a dozen runs
for _name, _value in {**PREFECT_SETTINGS, **OTHERS}.items():
    os.environ.setdefault(_name, _value)

PLAIN = {"±": "+-", "→": "->", "─": "-", "━": "-"} | dict.fromkeys("\u2013\u2014\u2212", "-") | {"\u00d7": "x"}


def plain(error: UnicodeError) -> tuple[str, int]:
    """Text for a terminal or a log file whose encoding lacks some letters: an error handler of Python's codecs."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = [PLAIN.get(letter) or _ascii(letter) for letter in error.object[error.start : error.end]]
    return "".join(letters), error.end


def _ascii(letter: str) -> str:
    return unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode() or "?"


codecs.register_error("ncf.plain", plain)
for _stream in (sys.stdout, sys.stderr):
    if isinstance(_stream, io.TextIOWrapper) and _stream.errors in ("strict", "backslashreplace", "surrogateescape"):
        _stream.reconfigure(errors="ncf.plain")
