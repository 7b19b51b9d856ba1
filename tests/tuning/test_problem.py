from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ncf import __version__
from ncf.config import MLPRecipe, PretrainedRecipe, differences
from ncf.errors import ConfigError
from ncf.hardware import HardwareConfig
from tests.ncf.toy_data import checkerboard
from tests.tuning.small_studies import GMF, MLP, RATE, SPACE, gmf_problem, gmf_recipe
from tuning.problem import Problem
from tuning.ranges import Choices, FloatRange, Range


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": MLPRecipe()}, "belongs to another model: 'MLPRecipe'; allowed: GMFRecipe"),
        ({"parts": (GMF, MLP)}, "parts are only for neumf-pretrained"),
        (
            {"model": "neumf-pretrained", "recipe": PretrainedRecipe()},
            "parts are only for neumf-pretrained, and required there",
        ),
        ({"hardware": HardwareConfig(devices=2)}, "one device: 2; allowed: 1; what to do: start several workers"),
        ({"space": {"training.rate": FloatRange(low=0, high=1)}}, "no setting training.rate"),
    ],
)
def test_an_impossible_problem_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(gmf_problem(), **changes)


def test_explicit_feedback_with_a_loss_that_takes_no_labels_is_refused_before_any_trial() -> None:
    labels = np.ones(len(checkerboard().train), dtype=np.float32)
    data = replace(checkerboard(), labels=labels)
    bpr = gmf_recipe(loss="bpr")
    with pytest.raises(ConfigError, match="uses labels: 'bpr'"):
        Problem("gmf", bpr, SPACE, data)


def test_the_first_trial_has_the_recipes_values_or_the_nearest_allowed() -> None:
    assert gmf_problem().base_values() == {RATE: 0.02, "training.schedule": "constant"}
    low: dict[str, Range] = {
        RATE: FloatRange(low=0.001, high=0.01),
        "training.schedule": Choices(choices=("linear", "cosine")),
    }
    assert gmf_problem(low).base_values() == {RATE: 0.01, "training.schedule": "linear"}


def test_identity_names_what_decides_a_trial() -> None:
    identity = gmf_problem(seed=5).identity()
    assert identity["data"] == checkerboard().fingerprint
    assert identity["space"][RATE] == {"low": 0.001, "high": 0.05, "log": True}
    assert (identity["model"], identity["seed"], identity["second"], identity["ncf"]) == ("gmf", 5, None, __version__)


def test_hardware_is_not_part_of_the_identity() -> None:
    assert gmf_problem(hardware=HardwareConfig(threads=3)).identity() == gmf_problem().identity()


def test_differences_name_the_setting_and_both_values() -> None:
    other = gmf_recipe(batch_size=512)
    narrow = {**SPACE, RATE: FloatRange(low=0.001, high=0.01, log=True)}
    found = differences(gmf_problem().identity(), gmf_problem(narrow, other).identity())
    assert found == [
        "recipe.training.batch_size 256 there, 512 here",
        f"space.{RATE}.high 0.05 there, 0.01 here",
    ]
