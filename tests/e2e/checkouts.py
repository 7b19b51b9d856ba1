"""Checkouts for servers: links to the code, and a prefect.yaml of their own."""

from pathlib import Path

import yaml

from tests.e2e.processes import REPOSITORY


def make_checkout(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("flows", "ncf", "tuning", "pyproject.toml"):
        (folder / name).symlink_to(REPOSITORY / name)
    (folder / "prefect.yaml").write_text(without_schedules((REPOSITORY / "prefect.yaml").read_text()))


def without_schedules(text: str) -> str:
    """A prefect.yaml whose deployments run when they are told to, whatever the time of the test."""
    content = yaml.safe_load(text)
    for deployment in content["deployments"]:
        deployment.pop("schedules", None)
    return yaml.safe_dump(content)
