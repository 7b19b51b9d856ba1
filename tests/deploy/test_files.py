"""Files for Docker and systemd: what can be checked of them without either. test_schemas.py has the rest."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.compose import VARIABLES, read_compose
from tests.e2e.processes import REPOSITORY

DEPLOY = REPOSITORY / "deploy"


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_compose_starts_nothing_without_a_password(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        read_compose({key: value for key, value in VARIABLES.items() if key != name})


def test_compose_lets_other_machines_in_only_when_told() -> None:
    def ports(**more: str) -> set[str]:
        services = read_compose(VARIABLES | more)["services"]
        return {port for service in services.values() for port in service.get("ports", [])}

    assert ports() == {"127.0.0.1:4200:4200", "127.0.0.1:5000:5000"}
    assert ports(NCF_BIND="0.0.0.0") == {"0.0.0.0:4200:4200", "0.0.0.0:5000:5000"}


def test_compose_has_no_password_on_a_command_line_and_what_it_mounts_is_there() -> None:
    content = read_compose(VARIABLES)
    for service in content["services"].values():
        assert not any(secret in word for word in service.get("command", []) for secret in ("password", "secret"))
        for mount in service.get("volumes", []):
            source = mount.partition(":")[0]
            assert (REPOSITORY / source).is_file() if source.startswith("./") else source in content["volumes"]
        assert set(service.get("depends_on", {})) <= set(content["services"])


def test_the_dockerfile_copies_what_is_there_and_what_is_sent_to_the_builder() -> None:
    allowed = [line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for line in (REPOSITORY / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY"):
            for source in [word for word in line.split()[1:-1] if not word.startswith("--")]:
                assert source in allowed and (REPOSITORY / source).exists()


@pytest.mark.parametrize("unit", sorted(path.name for path in (DEPLOY / "systemd").iterdir()))
def test_the_systemd_units_are_understood(unit: str, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    python = tmp_path / "srv" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    for path in (DEPLOY / "systemd").iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace("/srv/ncf", str(tmp_path / "srv")))
    command = [analyze, "verify", "--man=no", str(tmp_path / unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if "ncf" in line]
    assert not ours, done.stderr
