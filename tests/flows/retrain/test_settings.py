import json
import sys
from typing import Any

import jsonschema
import pytest
import yaml
from prefect.flows import Flow, load_flow_from_entrypoint

from flows.cli.command import parse
from flows.retrain.settings import RetrainSettings
from ncf.config import content_key, flatten
from ncf.errors import ConfigError
from tests.e2e.processes import REPOSITORY


def test_options_change_one_setting_and_keep_the_others() -> None:
    settings = parse(RetrainSettings, ["--gmf.training.learning-rate", "0.01", "--seed", "7", "--force"])
    expected = RetrainSettings().model_dump()
    expected["gmf"]["training"]["learning_rate"] = 0.01
    expected |= {"seed": 7, "force": True}
    assert settings.model_dump() == expected


def test_options_and_prefect_parameters_give_the_same_settings() -> None:
    from_options = parse(RetrainSettings, ["--mlp.model.layers", "32,16", "--data.filters.max-users", "10"])
    from_json = RetrainSettings.model_validate(
        {"mlp": {"model": {"layers": [32, 16]}}, "data": {"filters": {"max_users": 10}}}
    )
    assert from_options == from_json


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--gmf.training.learning-rate", "-1"], ["--gmf.training.learning-rate", "-1", "greater than 0"]),
        (["--dataset", "netflix"], ["netflix", "source.path", "ml-100k"]),
        (["--seed", "many"], ["--seed", "many", "integer"]),
        (["--mlp.model.layers", "31,16"], ["--mlp.model", "even", "31"]),
        (["--neumf-pretrained.alpha", "1.5"], ["--neumf-pretrained.alpha", "1.5", "less than or equal to 1"]),
        (["--gmf.model.embeding-dim", "8"], ["--gmf.model.embeding-dim", "nearest: --gmf.model.embedding-dim"]),
        (["--baselines.item-knn.neighbours", "0"], ["--baselines.item-knn.neighbours", "0", "greater than or equal"]),
        (["--bogus", "1"], ["--bogus", "--help"]),
        (["--force", "false"], ["--force takes no value", "--no-force off"]),
        (["--seed", "1", "--force=false"], ["--force takes no value", "--no-force off"]),
        (["--baselines.ials.enabled", "true"], ["--baselines.ials.enabled switches it on", "--no-baselines.ials.en"]),
        (["--bogus", "true"], ["unrecognized arguments: --bogus true"]),
    ],
)
def test_a_wrong_option_is_named_with_what_is_allowed(args: list[str], words: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(RetrainSettings, args)
    for word in words:
        assert word in str(refused.value)


def test_help_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse(RetrainSettings, ["--help"])
    shown = capsys.readouterr().out
    assert end.value.code == 0
    for name in flatten(RetrainSettings().model_dump()):
        assert f"--{name.replace('_', '-')}" in shown


def test_the_key_depends_on_what_is_learned_and_on_nothing_else() -> None:
    plain = RetrainSettings()
    same = RetrainSettings.model_validate({"force": True, "top_k": 3, "hardware": {"threads": 2}})
    other = RetrainSettings(seed=1)
    assert content_key(plain.learned()) == content_key(same.learned())
    assert content_key(plain.learned()) != content_key(other.learned())


def test_the_key_depends_on_the_baselines_that_are_measured() -> None:
    def key(**baselines: Any) -> str:
        return content_key(RetrainSettings.model_validate({"baselines": baselines}).learned())

    assert key(item_knn={"neighbours": 7}) != key()
    assert key(ials={"enabled": False}) != key()
    assert key(ials={"enabled": False, "factors": 8}) == key(ials={"enabled": False})


def test_every_deployment_has_parameters_that_prefect_accepts() -> None:
    config = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())
    assert len(config["deployments"]) >= 4
    for deployment in config["deployments"]:
        flow: Flow[..., Any] = load_flow_from_entrypoint(str(REPOSITORY / deployment["entrypoint"]))
        schema = json.loads(json.dumps(flow.parameters.model_dump()))
        if deployment["parameters"]:  # else they are given when it is run
            jsonschema.validate(deployment["parameters"], schema)
            flow.validate_parameters(deployment["parameters"])
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"settings": {"bogus": 1}}, schema)


def test_no_flow_module_hides_one_of_pythons_own() -> None:
    folder = REPOSITORY / "flows"  # Prefect puts it first on sys.path when it loads an entrypoint
    names = {path.stem for path in folder.iterdir()}
    assert "retrain" in names and not names & sys.stdlib_module_names


@pytest.mark.parametrize("model", ["gmf", "mlp", "neumf", "neumf-pretrained"])
def test_a_loss_without_labels_is_refused_for_explicit_feedback(model: str) -> None:
    explicit = ["--data.feedback.kind", "explicit", "--data.feedback.scale", "1,5"]
    loss = [f"--{model}.training.loss"]
    with pytest.raises(ConfigError, match=f"--{model}: .*the loss bpr ignores the labels.*bce, mse or least-squares"):
        parse(RetrainSettings, [*explicit, *loss, "bpr"])
    parse(RetrainSettings, [*explicit, *loss, "mse"])
    parse(RetrainSettings, [*loss, "bpr"])
