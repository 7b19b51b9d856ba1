"""What can be checked of files for tools that are not here: against schemas, and by linters. docs/operations.md."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.compose import read_compose
from tests.e2e.processes import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
VARIABLES = {
    "PREFECT_API_AUTH_STRING": "ncf:a-long-password",
    "MLFLOW_TRACKING_USERNAME": "ncf",
    "MLFLOW_TRACKING_PASSWORD": "a-long-password",
    "NCF_DATABASE_PASSWORD": "secret",
    "NCF_SECRET_KEY": "key",
}
KUBERNETES = "1.31"


def test_compose_yaml_is_one_by_the_compose_specification() -> None:
    compose_spec = pytest.importorskip("compose_spec")
    content = compose_spec.PyCompose.from_yaml(yaml.safe_dump(read_compose(VARIABLES)))
    assert set(content.service_names()) == {"postgres", "mlflow", "prefect", "set-up", "worker"}


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


def test_the_dockerfile_passes_its_linter_and_copies_what_is_there() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint is not installed")
    done = subprocess.run([hadolint, REPOSITORY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    allowed = [line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for line in (REPOSITORY / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY"):
            for source in [word for word in line.split()[1:-1] if not word.startswith("--")]:
                assert source in allowed and (REPOSITORY / source).exists()


def documents() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes" / "worker.yaml").read_text()))


@pytest.mark.parametrize("document", documents(), ids=lambda document: document["kind"])
def test_the_kubernetes_manifests_are_as_the_api_wants_them(document: dict[str, Any]) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_a_flow_runs_job_is_as_the_api_wants_it() -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    pool = json.loads((DEPLOY / "kubernetes" / "work-pool.json").read_text())
    defaults = {name: field["default"] for name, field in pool["variables"]["properties"].items()}
    given = {"name": "run-1", "command": ["python", "-m", "prefect.engine"], "env": [{"name": "A", "value": "1"}]}
    values = defaults | given  # a worker turns the environment into a list
    manifest = filled(pool["job_configuration"]["job_manifest"], values)
    for misplaced in ("parallelism", "completions"):  # Prefect insists on them there, Kubernetes drops them
        del manifest["spec"]["template"]["spec"][misplaced]
    kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    names = set(re.findall(r"{{ (\w+) }}", json.dumps(pool["job_configuration"])))
    assert names == set(pool["variables"]["properties"])


def filled(template: Any, values: dict[str, Any]) -> Any:
    """A template of Prefect with its values: a placeholder alone becomes the value itself."""
    if isinstance(template, dict):
        return {key: filled(part, values) for key, part in template.items()}
    if isinstance(template, list):
        return [filled(part, values) for part in template]
    if isinstance(template, str):
        whole = re.fullmatch(r"{{ (\w+) }}", template)
        return values[whole[1]] if whole else re.sub(r"{{ (\w+) }}", lambda found: str(values[found[1]]), template)
    return template


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
