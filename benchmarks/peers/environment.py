"""The peers' Python environment, created on first use, since they need older libraries than ncf."""

import hashlib
import subprocess
import sys
from pathlib import Path

from benchmarks.datasets import ROOT

FOLDER = ROOT / ".venv-peers"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
NO_DEPENDENCIES = Path(__file__).with_name("requirements-no-deps.txt")


def peers_python() -> Path:
    """Python of the peers' environment, which is created if it is missing or its requirements have changed.

    Raises:
        SystemExit: the environment could not be created.
    """
    python, stamp = FOLDER / "bin" / "python", FOLDER / "requirements.sha256"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + NO_DEPENDENCIES.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return python
    _say(f"Creating {FOLDER.name}/ with the peers (RecBole 1.2.1, torch): once, a few minutes, about 1.4 GB.")
    _run([sys.executable, "-m", "venv", "--clear", str(FOLDER)])
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--requirement", str(REQUIREMENTS)])
    _run([*pip, "--no-deps", "--requirement", str(NO_DEPENDENCIES)])
    stamp.write_text(wanted, encoding="ascii")
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise SystemExit(
            f"error: the peers' environment could not be created: {' '.join(command)} failed; what to do: read its "
            "message above; Python must be 3.11 or 3.12 and the package index reachable"
        )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201
