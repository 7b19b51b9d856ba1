"""What happens by itself, on a real Prefect server; the faults are in tests/e2e/faults."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
import yaml
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.actions import DoNothing
from prefect.events.schemas.automations import AutomationCore, EventTrigger

from flows.automations.apply import PREFECT_YAML, Changes, make_automations, ours
from flows.automations.rules import BLOCK, URL_VARIABLE
from flows.orchestration.deployments import declared
from ncf.errors import ConfigError

ALWAYS = {"ncf: crash what is silent", "ncf: crash what never begins"}
TELLING = {"ncf: tell of failures", "ncf: tell of promotions"}
RECOMMEND = "ncf: recommend/shop after a promotion"


def deploy(client: SyncPrefectClient, flow_name: str, name: str, tags: list[str]) -> UUID:
    def nothing() -> None:
        pass

    flow_id = client.create_flow(flow(name=flow_name)(nothing))
    return client.create_deployment(flow_id, name, tags=tags, parameters={"settings": {"dataset": name}})


def prefect_yaml(folder: Path, *names: str) -> Path:
    (folder / "flows").mkdir(exist_ok=True)
    for name in ("retrain", "recommend"):
        (folder / "flows" / f"{name}.py").write_text(f'@flow(name="{name}")\ndef {name}() -> None: ...\n')
    listed = [
        {"name": name.partition("/")[2], "entrypoint": "flows/{0}.py:{0}".format(name.partition("/")[0])}
        for name in names
    ]
    path = folder / "prefect.yaml"
    path.write_text(yaml.safe_dump({"deployments": listed}))
    return path


@pytest.fixture
def client(prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[SyncPrefectClient]:
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    with get_client(sync_client=True) as client:
        for left in ours(client):
            client.delete_automation(left.id)
        yield client


@pytest.fixture
def made(client: SyncPrefectClient, tmp_path: Path) -> Path:
    """A server with two deployments of ours, one of which prefect.yaml has no more, and one of somebody else."""
    deploy(client, "recommend", "shop", ["ncf"])
    deploy(client, "retrain", "gone", ["ncf"])
    deploy(client, "retrain", "theirs", ["them"])
    return prefect_yaml(tmp_path, "recommend/shop")


def test_they_are_made_once_and_what_left_prefect_yaml_goes(client: SyncPrefectClient, made: Path) -> None:
    theirs = AutomationCore(name="theirs", trigger=EventTrigger(expect={"their.event"}), actions=[DoNothing()])
    client.create_automation(theirs)
    first = make_automations(made)
    assert (set(first.created), first.removed_deployments) == (ALWAYS | {RECOMMEND}, ("retrain/gone",))
    assert make_automations(made) == Changes(unchanged=first.created)
    assert {each.name for each in ours(client)} == ALWAYS | {RECOMMEND}
    [recommend] = [each.trigger for each in ours(client) if each.name == RECOMMEND]
    assert isinstance(recommend, EventTrigger) and recommend.expect == {"ncf.promoted", "ncf.newer-log"}
    assert "theirs" in {each.name for each in client.read_automations()}
    assert client.read_deployment_by_name("retrain/theirs").name == "theirs"


def test_what_changed_is_updated_what_left_is_removed_and_the_switch_stays(
    client: SyncPrefectClient, made: Path
) -> None:
    make_automations(made)
    present = {each.name: each for each in ours(client)}
    for name, changes in (
        (RECOMMEND, {"actions": [DoNothing().model_dump()], "enabled": False}),
        ("ncf: crash what is silent", {"name": "ncf: of an older release"}),
    ):
        other = AutomationCore.model_validate(present[name].model_dump(exclude={"id", "owner_resource"}) | changes)
        client.update_automation(present[name].id, other)
    done = make_automations(made)
    assert (done.created, done.updated) == (("ncf: crash what is silent",), (RECOMMEND,))
    assert done.removed == ("ncf: of an older release",)
    again = {each.name: each for each in ours(client)}
    assert not again[RECOMMEND].enabled
    assert again[RECOMMEND].actions == present[RECOMMEND].actions


def test_somebody_is_told_as_soon_as_there_is_a_url_and_it_is_kept(
    client: SyncPrefectClient, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_automations(made)
    monkeypatch.setenv(URL_VARIABLE, "http://127.0.0.1:9/hook")
    assert set(make_automations(made).created) == TELLING
    monkeypatch.delenv(URL_VARIABLE)
    assert set(make_automations(made).unchanged) == ALWAYS | TELLING | {RECOMMEND}
    client.delete_block_document(client.read_block_document_by_name(BLOCK, "webhook").id)
    assert set(make_automations(made).removed) == TELLING
    monkeypatch.setenv(URL_VARIABLE, "somewhere")
    with pytest.raises(ConfigError, match=r"NCF_NOTIFY_URL.*http://"):
        make_automations(made)


def test_a_folder_without_prefect_yaml_changes_nothing(client: SyncPrefectClient, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"prefect\.yaml can't be read"):
        make_automations(tmp_path / "prefect.yaml")
    assert ours(client) == []


def test_every_run_of_a_deployment_of_ours_says_that_it_lives_and_is_known_by_its_tag() -> None:
    for each in yaml.safe_load(PREFECT_YAML.read_text())["deployments"]:
        heartbeat = each["work_pool"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]
        assert heartbeat == "30", "the automation takes 150 seconds of silence for death"
        assert "ncf" in each["tags"]
    named = {"retrain/ml-100k": "ml-100k", "recommend/ml-100k": "ml-100k", "promote/ml-100k": ""}
    assert declared(PREFECT_YAML).items() >= named.items()
