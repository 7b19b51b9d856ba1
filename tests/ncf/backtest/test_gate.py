"""The gate of a backtest's policies, on models whose rank among each other is known."""

from collections.abc import Mapping

import pytest

from ncf.backtest.plan import Rule
from ncf.backtest.scoring import Gate
from ncf.config import GMFConfig
from ncf.data.history import DAY
from ncf.data.prepared import PreparedData
from ncf.models.build import build_model
from ncf.serving.bundle import Bundle
from ncf.training.fit import fit
from tests.ncf.toy_data import checkerboard
from tests.ncf.training.small_models import LEARN

CONFIG, WEEK = GMFConfig(embedding_dim=8), 7 * DAY


@pytest.fixture(scope="module")
def data() -> PreparedData:
    return checkerboard()


@pytest.fixture(scope="module")
def bundles(data: PreparedData) -> Mapping[str, Bundle]:
    untrained = build_model(CONFIG, data.num_users, data.num_items, 1)
    trained = fit(build_model(CONFIG, data.num_users, data.num_items, 0), data, LEARN, seed=0).model
    return {"good": Bundle.of(trained, CONFIG, data), "poor": Bundle.of(untrained.eval(), CONFIG, data)}


@pytest.mark.parametrize(
    ("rule", "models", "promoted"),
    [
        ("wins ties", ("poor", "good", "good", "poor"), (0, 1, 2)),
        ("surely better", ("poor", "good", "good", "poor"), (0, 1)),
        ("wins ties", ("good", "poor", "good"), (0, 2)),
        ("surely better", ("good", "poor", "good"), (0,)),
    ],
)
def test_the_gate_promotes_as_a_retraining_does(
    data: PreparedData, bundles: Mapping[str, Bundle], rule: Rule, models: tuple[str, ...], promoted: tuple[int, ...]
) -> None:
    gate = Gate(rule, lambda moment: bundles[models[moment // WEEK]])
    decisions = [gate.judge(number * WEEK, data) for number in range(len(models))]
    assert decisions[0] is None, "the first model serves"
    assert gate.promoted == tuple(number * WEEK for number in promoted)
    assert [decision is not None and decision.promote for decision in decisions[1:]] == [
        number in promoted for number in range(1, len(models))
    ]


def test_each_challenger_on_a_like_holdout_counts(data: PreparedData, bundles: Mapping[str, Bundle]) -> None:
    gate = Gate("surely better", lambda _: bundles["good"])
    _, *decisions = [gate.judge(number * WEEK, data) for number in range(4)]
    assert [decision and decision.figures["earlier"] for decision in decisions] == [0, 1, 2]
