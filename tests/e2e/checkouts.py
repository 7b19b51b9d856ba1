"""Checkouts for servers: links to the code, and a prefect.yaml of their own."""

from pathlib import Path

import yaml

from tests.e2e.processes import REPOSITORY


def link_checkout(folder: Path, *others: str) -> None:
    """A folder with links to the code, and to other folders of the repository."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("flows", "ncf", "tuning", "pyproject.toml", *others):
        (folder / name).symlink_to(REPOSITORY / name)


def make_checkout(folder: Path) -> None:
    """The same with a prefect.yaml whose deployments run when they are told to, whatever the time of the test."""
    link_checkout(folder)
    content = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())
    for deployment in content["deployments"]:
        deployment.pop("schedules", None)
    (folder / "prefect.yaml").write_text(yaml.safe_dump(content))
