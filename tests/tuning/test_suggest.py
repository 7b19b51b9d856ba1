import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from tuning.ranges import Choices, FloatRange, IntRange, Range, Value
from tuning.records import from_params, suggest, to_params

SPACE: dict[str, Range] = {
    "rate": FloatRange(low=0.001, high=0.1, log=True),
    "epochs": IntRange(low=10, high=60, step=10),
    "layers": Choices(choices=((16, 8), (32, 16, 8))),
    "clip": Choices(choices=(None, True, 1, 1.5)),
    "optimizer": Choices(choices=("adam", "sgd")),
}


def test_ranges_in_optunas_words() -> None:
    study = optuna.create_study()
    suggest(study.ask(), SPACE)
    assert study.trials[0].distributions == {
        "rate": FloatDistribution(0.001, 0.1, log=True),
        "epochs": IntDistribution(10, 60, step=10),
        "layers": CategoricalDistribution(["[16, 8]", "[32, 16, 8]"]),
        "clip": CategoricalDistribution(["null", "true", "1", "1.5"]),
        "optimizer": CategoricalDistribution(["adam", "sgd"]),
    }


@pytest.mark.parametrize("clip", [None, True, 1, 1.5])
def test_queued_values_come_back_as_they_were(clip: Value) -> None:
    values: dict[str, Value] = {"rate": 0.05, "epochs": 30, "layers": (32, 16, 8), "clip": clip, "optimizer": "sgd"}
    study = optuna.create_study()
    study.enqueue_trial(to_params(values, SPACE))
    found = suggest(study.ask(), SPACE)
    assert found == values
    assert type(found["clip"]) is type(clip)
    assert from_params(study.trials[0].params, SPACE) == values
