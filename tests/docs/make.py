"""The Makefile's tasks as another make runs them: everything counts as installed, and nothing is inherited."""

import re
from collections.abc import Mapping

from tests.docs.pages import REPOSITORY

# `make test ARGS=...` puts its variables into the environment, where the Makefile's own defaults would yield to them
OUTER = ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "ARGS", "DATASET", "DOCS_PORT", "PORT", "PYTHON")


def make(*words: str) -> list[str]:
    """A command line of make that installs nothing."""
    stamps = sorted(set(re.findall(r"\.venv/\.\w+", (REPOSITORY / "Makefile").read_text())))
    return ["make", "--no-print-directory", *(word for stamp in stamps for word in ("-o", stamp)), *words]


def outside_make(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without what an outer make has put there."""
    return {name: value for name, value in environment.items() if name not in OUTER}
