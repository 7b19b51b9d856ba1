"""Files for tools that are not here, by linters and against schemas of the extra deploy: `make check-deploy`."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.compose import VARIABLES, read_compose
from tests.e2e.processes import REPOSITORY

pytestmark = pytest.mark.deploy
KUBERNETES = REPOSITORY / "deploy" / "kubernetes"
KUBERNETES_VERSION = "1.31"
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the extra has this tool for Linux alone")


@on_linux
def test_compose_yaml_is_one_by_the_compose_specification() -> None:
    compose_spec = importlib.import_module("compose_spec")
    content = compose_spec.PyCompose.from_yaml(yaml.safe_dump(read_compose(VARIABLES)))
    assert set(content.service_names()) == {"postgres", "mlflow", "prefect", "set-up", "worker"}


@on_linux
def test_the_dockerfile_passes_its_linter() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, REPOSITORY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def check_kubernetes(document: dict[str, Any]) -> None:
    """Raises the validator's error if Kubernetes' API would refuse the document."""
    importlib.import_module("kubernetes_validate").validate(document, KUBERNETES_VERSION, strict=True)


def documents() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((KUBERNETES / "worker.yaml").read_text()))


@pytest.mark.parametrize("document", documents(), ids=lambda document: document["kind"])
def test_the_kubernetes_manifests_are_as_the_api_wants_them(document: dict[str, Any]) -> None:
    check_kubernetes(document)


def test_a_flow_runs_job_is_as_the_api_wants_it() -> None:
    pool = json.loads((KUBERNETES / "work-pool.json").read_text())
    defaults = {name: field["default"] for name, field in pool["variables"]["properties"].items()}
    given = {"name": "run-1", "command": ["python", "-m", "prefect.engine"], "env": [{"name": "A", "value": "1"}]}
    values = defaults | given  # a worker turns the environment into a list
    manifest = filled(pool["job_configuration"]["job_manifest"], values)
    for misplaced in ("parallelism", "completions"):  # Prefect insists on them there, Kubernetes drops them
        del manifest["spec"]["template"]["spec"][misplaced]
    check_kubernetes(manifest)
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
