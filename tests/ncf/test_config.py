from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from ncf.config import (
    FineTuning,
    GMFConfig,
    GMFRecipe,
    GMFTraining,
    MLPConfig,
    MLPRecipe,
    MLPTraining,
    ModelConfig,
    NeuMFConfig,
    NeuMFRecipe,
    NeuMFTraining,
    PretrainedRecipe,
    Settings,
    TrainingConfig,
)
from ncf.data.config import DataConfig, FeedbackConfig, FilterConfig, SplitConfig
from ncf.hardware import HardwareConfig

ALL: list[type[Settings]] = [
    DataConfig,
    FeedbackConfig,
    FilterConfig,
    SplitConfig,
    GMFConfig,
    MLPConfig,
    NeuMFConfig,
    TrainingConfig,
    GMFTraining,
    MLPTraining,
    NeuMFTraining,
    FineTuning,
    GMFRecipe,
    MLPRecipe,
    NeuMFRecipe,
    PretrainedRecipe,
    HardwareConfig,
]
MODEL_CONFIG: TypeAdapter[Any] = TypeAdapter(ModelConfig)


@pytest.mark.parametrize("kind", ALL)
def test_unknown_key_is_refused_by_name(kind: type[Settings]) -> None:
    with pytest.raises(ValidationError, match="learning_rat\n"):
        kind.model_validate({"learning_rat": 0.1})


def test_unknown_key_inside_a_recipe_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"training\.epochs"):
        GMFRecipe.model_validate({"training": {"epochs": 3}})


@pytest.mark.parametrize("kind", ALL)
def test_settings_cannot_be_changed(kind: type[Settings]) -> None:
    settings = kind()
    name = next(iter(kind.model_fields))
    before = getattr(settings, name)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(settings, name, before)


@pytest.mark.parametrize("kind", ALL)
def test_settings_survive_json(kind: type[Settings]) -> None:
    settings = kind()
    assert kind.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize("kind", ALL)
def test_every_setting_has_a_description(kind: type[Settings]) -> None:
    groups = {name for name, value in kind() if isinstance(value, Settings)}
    for name, field in kind.model_fields.items():
        assert field.description or name in groups or name == "kind"


@pytest.mark.parametrize("kind", [MLPConfig, NeuMFConfig])
def test_odd_first_layer_is_refused_with_its_value(kind: type[Settings]) -> None:
    with pytest.raises(ValidationError, match=r"must be even.*got 33"):
        kind.model_validate({"layers": (33, 16)})


@pytest.mark.parametrize("kind", [MLPConfig, NeuMFConfig])
@pytest.mark.parametrize("layers", [(), (32,), (32, 0), (32, -8), (32, 5000), (32.5, 8), "32"])
def test_impossible_tower_is_refused(kind: type[Settings], layers: object) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate({"layers": layers})


@pytest.mark.parametrize("kind", [MLPConfig, NeuMFConfig])
def test_layers_come_from_json_lists(kind: type[Settings]) -> None:
    assert kind.model_validate({"layers": [6, 3, 5]}).model_dump()["layers"] == (6, 3, 5)


OUT_OF_RANGE: list[tuple[type[Settings], str, Any]] = [
    (FilterConfig, "max_users", 1),
    (DataConfig, "num_candidates", 0),
    (DataConfig, "num_candidates", 10_001),
    (DataConfig, "candidate_seed", -1),
    (DataConfig, "candidate_seed", 2**63),
    (GMFConfig, "embedding_dim", 0),
    (GMFConfig, "embedding_dim", 4097),
    (GMFConfig, "kind", "mlp"),
    (MLPConfig, "dropout", 1.0),
    (MLPConfig, "dropout", -0.1),
    (NeuMFConfig, "dropout", 1.0),
    (NeuMFConfig, "embedding_dim", 0),
    (TrainingConfig, "optimizer", "lion"),
    (TrainingConfig, "learning_rate", 0.0),
    (TrainingConfig, "learning_rate", -1.0),
    (TrainingConfig, "batch_size", 1),
    (TrainingConfig, "num_negatives", 0),
    (TrainingConfig, "negatives", "some"),
    (TrainingConfig, "negatives_beta", -0.1),
    (TrainingConfig, "negatives_beta", 10.1),
    (TrainingConfig, "unobserved_weight", -0.1),
    (TrainingConfig, "embedding_l2", -0.1),
    (TrainingConfig, "max_epochs", -1),
    (TrainingConfig, "patience", 0),
    (GMFTraining, "embedding_l2", -0.1),
    (FineTuning, "learning_rate", 0.0),
    (PretrainedRecipe, "alpha", -0.01),
    (PretrainedRecipe, "alpha", 1.01),
    (HardwareConfig, "accelerator", "tpu"),
    (HardwareConfig, "threads", 0),
]


@pytest.mark.parametrize(("kind", "name", "value"), OUT_OF_RANGE)
def test_value_out_of_range_is_refused_by_name(kind: type[Settings], name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        kind.model_validate({name: value})


@pytest.mark.parametrize("kind", [TrainingConfig, GMFTraining, MLPTraining, NeuMFTraining, FineTuning])
@pytest.mark.parametrize("name", ["learning_rate", "embedding_l2"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_number_that_is_not_finite_is_refused(kind: type[Settings], name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        kind.model_validate({name: value})


@pytest.mark.parametrize("recipe", [GMFRecipe, MLPRecipe, NeuMFRecipe, PretrainedRecipe])
def test_partial_training_keeps_the_models_own_defaults(recipe: type[Any]) -> None:
    given = recipe.model_validate({"training": {"learning_rate": 0.125}}).training.model_dump()
    default = recipe().training.model_dump()
    assert given == default | {"learning_rate": 0.125}
    assert default["embedding_l2"] != TrainingConfig().embedding_l2  # else the line above shows nothing


def test_fine_tuning_keeps_its_own_learning_rate() -> None:
    given = PretrainedRecipe.model_validate({"training": {"patience": 2}})
    assert given.training.learning_rate == FineTuning().learning_rate != TrainingConfig().learning_rate


def test_partial_model_keeps_the_other_defaults() -> None:
    given = NeuMFRecipe.model_validate({"model": {"embedding_dim": 3}}).model
    assert given == NeuMFConfig(embedding_dim=3, layers=NeuMFConfig().layers, dropout=NeuMFConfig().dropout)


@pytest.mark.parametrize(("kind", "expected"), [("gmf", GMFConfig), ("mlp", MLPConfig), ("neumf", NeuMFConfig)])
def test_kind_decides_which_model_config_is_read(kind: str, expected: type[Settings]) -> None:
    assert MODEL_CONFIG.validate_python({"kind": kind}) == expected()


def test_unknown_kind_of_model_is_refused() -> None:
    with pytest.raises(ValidationError, match="'svd'"):
        MODEL_CONFIG.validate_python({"kind": "svd"})


def test_a_recipe_refuses_another_models_shape() -> None:
    with pytest.raises(ValidationError, match=r"model\.kind"):
        GMFRecipe.model_validate({"model": {"kind": "neumf"}})


@pytest.mark.parametrize("kind", [TrainingConfig, GMFTraining, MLPTraining, NeuMFTraining, FineTuning])
def test_bpr_over_all_pairs_is_refused(kind: type[TrainingConfig]) -> None:
    with pytest.raises(ValidationError, match=r"bpr needs drawn negatives \(uniform or popularity\)"):
        kind.model_validate({"loss": "bpr", "negatives": "all"})
    assert kind.model_validate({"loss": "bpr", "negatives": "popularity"}).negatives == "popularity"


def test_a_weight_of_unobserved_pairs_without_them_is_refused() -> None:
    with pytest.raises(ValidationError, match="unobserved_weight is only for negatives all, got uniform"):
        TrainingConfig(unobserved_weight=0.1)
