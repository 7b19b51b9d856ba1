"""The pages that are made from the code."""

import re

from docs.site import flows_page, settings_page
from docs.site.commands import COMMANDS


def section(page: str, heading: str) -> str:
    found = re.search(rf"^### {re.escape(heading)}\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[1]


def test_a_setting_has_its_values_default_and_meaning() -> None:
    page = settings_page.page()
    assert "| `alpha` | number, at least 0.0, at most 1.0 | `0.5` | weight of GMF at the start" in section(
        page, "PretrainedRecipe"
    )
    assert "| `loss` | `bce`, `mse`, `least-squares`, `bpr` | `bce` |" in section(page, "GMFTraining")
    assert "| `layers` | list, integer, at least 1, at most 4096, length at least 2 | `64, 32, 16, 8` |" in section(
        page, "MLPConfig"
    )
    assert "| `to` | path |  | folder of the backup" in section(page, "backup"), "a setting without a default"
    assert "| Shape of GMF (paper, eq. 8-9) |" in section(page, "GMFRecipe"), "a sentence ends before a capital"
    assert "| Where to compute |" in section(page, "retrain"), "the first sentence alone"
    assert "| `gradient_clip` | number, more than 0.0 | empty | largest norm" in section(page, "GMFTraining")


def test_every_command_and_group_is_there_once_and_links_lead_to_them() -> None:
    page = settings_page.page()
    headings = re.findall(r"^### (.*)$", page, re.MULTILINE)
    assert len(headings) == len(set(headings))
    assert {command.name for command in COMMANDS} <= set(headings)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]*)\)", page)) <= anchors


def test_names_in_a_command_are_dotted() -> None:
    retrain = next(command.settings for command in COMMANDS if command.name == "retrain")
    names = settings_page.names_in(retrain)
    assert {"seed", "gmf", "gmf.training", "gmf.training.learning_rate", "source.columns.user"} <= names


def test_deployments_have_schedule_and_settings() -> None:
    page = flows_page.page()
    assert "| [`retrain/ml-100k`](#retrainml-100k) | `0 3 * * *` UTC | one; another is cancelled | [retrain](" in page
    assert "| [`recommend/ml-100k`](#recommendml-100k) | none | one; another waits | [recommend](" in page
    assert "what has changed in the data since the champion was trained" in section(page, "monitor/ml-100k")
    assert "| retrain after drift |" in page
