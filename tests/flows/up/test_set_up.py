"""What `make up` does on a Prefect server that has deployments of an earlier version."""

from pathlib import Path

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.settings import get_current_settings

from flows.up.set_up import DEPLOYMENTS, deploy, make_work_pool


def write_checkout(folder: Path, entrypoint: str) -> None:
    """A prefect.yaml with one deployment, and the file of its flow."""
    file, _, function = entrypoint.partition(":")
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(
        f'from prefect import flow\n\n\n@flow(name="retrain")\ndef {function}() -> None:\n    """Nothing."""\n'
    )
    deployment = {"name": "moved", "entrypoint": entrypoint, "work_pool": {"name": "ncf"}}
    (folder / DEPLOYMENTS).write_text(yaml.safe_dump({"name": "ncf", "deployments": [deployment]}))


@pytest.mark.slow
def test_an_old_deployment_gets_the_new_entrypoint(
    prefect_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_API_URL", str(get_current_settings().api.url))
    with get_client(sync_client=True) as client:
        make_work_pool(client)
        write_checkout(tmp_path, "flows/retrain.py:retrain")
        deploy()
        old = client.read_deployment_by_name("retrain/moved")
        (tmp_path / "flows" / "retrain.py").unlink()
        write_checkout(tmp_path, "flows/retrain/flow.py:retrain")
        deploy()
        new = client.read_deployment_by_name("retrain/moved")
        client.delete_deployment(new.id)
    assert (old.entrypoint, new.entrypoint) == ("flows/retrain.py:retrain", "flows/retrain/flow.py:retrain")
    assert old.id == new.id, "the automations know it by its id"
