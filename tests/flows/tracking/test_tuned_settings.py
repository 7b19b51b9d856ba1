"""Where a retraining takes its settings from, with tunings written by hand."""

from pathlib import Path
from typing import Any

import pytest

from flows.cli.command import parse
from flows.cli.next_command import given_values
from flows.retrain.resolve_settings import fill_in, resolve_settings
from flows.retrain.settings import RetrainSettings
from flows.tracking.tracker import Tracker
from flows.tracking.tuned_settings import TUNED, Tuning, find_tunings
from ncf.config import GMFRecipe, MLPRecipe, ModelName, PretrainedRecipe, content_key
from ncf.errors import ConfigError
from tests.flows.tune.tunings import GMF, tuned, tuning
from tests.ncf.toy_data import checkerboard

PRETRAINED: dict[str, Any] = {"alpha": 0.25}


def test_each_model_takes_its_own_and_the_others_their_defaults() -> None:
    chosen = fill_in(RetrainSettings(settings="tuned"), {"gmf": tuning("gmf", GMF)})
    assert chosen.settings.gmf == GMFRecipe.model_validate(GMF)
    assert chosen.settings.mlp == MLPRecipe()
    assert chosen.tags() == {"ncf.settings": "tuned", "ncf.tuned_by": "gmf run of gmf"}
    assert chosen.tags_of("gmf") == chosen.tags()
    assert chosen.tags_of("mlp") == {"ncf.settings": "defaults"}
    assert "gmf (MLflow run run of gmf)" in chosen.summary
    assert "not mlp, never tuned on this data set" in chosen.summary


@pytest.mark.parametrize(
    "settings",
    [
        parse(RetrainSettings, ["--settings", "tuned", "--gmf.training.learning-rate", "0.003"]),
        RetrainSettings.model_validate({"settings": "tuned", "gmf": {"training": {"learning_rate": 0.003}}}),
    ],
)
def test_what_is_given_goes_before_what_was_tuned_even_if_it_is_the_default(settings: RetrainSettings) -> None:
    chosen = fill_in(settings, {"gmf": tuning("gmf", GMF)})
    assert chosen.settings.gmf.training.learning_rate == 0.003 == GMFRecipe().training.learning_rate
    assert chosen.settings.gmf.training.num_negatives == 6


def test_of_a_form_with_every_value_in_it_only_the_changed_ones_are_given() -> None:
    form = RetrainSettings().model_dump()
    form["gmf"]["training"]["num_negatives"] = 2
    form["settings"] = "tuned"
    settings = RetrainSettings.model_validate(form)
    assert given_values(settings.gmf) == {"training.num_negatives": 2}
    assert given_values(settings.mlp) == {}
    chosen = fill_in(settings, {"gmf": tuning("gmf", GMF)})
    assert chosen.settings.gmf == GMFRecipe.model_validate(
        {"model": {"embedding_dim": 8}, "training": {"learning_rate": 0.02, "num_negatives": 2}}
    )


def test_neumf_pretrained_takes_its_own_only_with_the_parts_it_was_tuned_with() -> None:
    parts = {"gmf": GMFRecipe.model_validate(GMF).model_dump(mode="json"), "mlp": MLPRecipe().model_dump(mode="json")}
    found: dict[ModelName, Tuning] = {
        "gmf": tuning("gmf", GMF),
        "neumf-pretrained": tuning("neumf-pretrained", PRETRAINED, parts),
    }
    chosen = fill_in(RetrainSettings(settings="tuned"), found)
    assert chosen.settings.neumf_pretrained.alpha == 0.25
    for changed in ({"mlp": {"training": {"num_negatives": 2}}}, {"gmf": {"model": {"embedding_dim": 9}}}):
        other = fill_in(RetrainSettings.model_validate({"settings": "tuned", **changed}), found)
        assert other.settings.neumf_pretrained == PretrainedRecipe()
        assert "neumf-pretrained" not in other.tuned_by
        assert "not neumf-pretrained, tuned with another GMF or MLP" in other.summary


def test_the_key_of_a_retraining_is_that_of_the_settings_it_takes() -> None:
    chosen = fill_in(RetrainSettings(settings="tuned"), {"gmf": tuning("gmf", GMF)})
    by_hand = RetrainSettings.model_validate({"gmf": GMF})
    assert content_key(chosen.settings.learned()) == content_key(by_hand.learned())


def test_settings_of_another_version_are_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match=r"gmf.*not.*settings of this version.*tune gmf on ml-100k again"):
        tuning("gmf", {"training": {"momentum": 0.9}}).recipe()


def test_tuned_settings_that_do_not_go_with_the_data_are_refused() -> None:
    explicit = {"feedback": {"kind": "explicit", "scale": [1, 5]}}
    settings = RetrainSettings.model_validate({"settings": "tuned", "data": explicit})
    with pytest.raises(ConfigError, match="gmf.*bpr ignores the labels.*tune again"):
        fill_in(settings, {"gmf": tuning("gmf", {"training": {"loss": "bpr"}})})


def test_the_newest_finished_tuning_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ConfigError, match="no tuned settings of ml-100k.*tune first: ncf tune;"):
        resolve_settings(RetrainSettings(settings="tuned"))
    assert resolve_settings(RetrainSettings()).tags() == {"ncf.settings": "preset"}

    tracker = Tracker("ml-100k")
    runs = []
    for learning_rate in (0.01, 0.02, 0.03):
        run_id = tracker.start_retraining(f"{learning_rate}", {}, checkerboard(), {"ncf.tuning": "gmf"}, "tune gmf")
        tracker.files.log_json(
            run_id, tuned("gmf", {"training": {"learning_rate": learning_rate}}).model_dump(mode="json"), TUNED
        )
        runs.append(run_id)
    tracker.finish(runs[1])
    tracker.finish(runs[0])  # begun first, ended last; the third never ended
    assert {model: found.run_id for model, found in find_tunings(tracker).items()} == {"gmf": runs[0]}
    assert resolve_settings(RetrainSettings(settings="tuned")).settings.gmf.training.learning_rate == 0.01
