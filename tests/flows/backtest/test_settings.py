"""What a backtest is asked for, and how its differences are told."""

import pytest

from flows.backtest.report import Figure
from flows.backtest.settings import BacktestSettings
from flows.cli.command import parse
from ncf.errors import ConfigError
from ncf.evaluation.metrics import Mean


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--policies", "fortnightly"], ["fortnightly", "never, monthly, weekly, daily", "10d"]),
        (["--policies", "weekly,7d"], ["'7d' is named twice"]),
        (["--policies", "weekly,daily"], ["'daily' retrains more often", "window_days 1"]),
        (["--model", "svd"], ["svd", "neumf-pretrained"]),
        (["--window-days", "0"], ["--window-days", "greater than or equal to 1"]),
        (["--start", "1998-01-01"], ["--start", "zone"]),
        (["--data.filters.users-active-since", "1998-01-01T00:00:00Z"], ["users_active_since"]),
        (["--picture", "curves.jpg"], [".png"]),
        (["--dataset", "paper", "--source.prefix", "Data/ml-1m"], ["has its own split"]),
        (["--polices", "weekly"], ["nearest: --policies"]),
    ],
)
def test_a_wrong_option_is_named_with_what_is_allowed(args: list[str], words: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(BacktestSettings, args)
    for word in words:
        assert word in str(refused.value)


def test_options_are_the_policies_by_frequency() -> None:
    settings = parse(BacktestSettings, ["--policies", "never,10d,weekly"])
    assert [policy.name for policy in settings.schedule] == ["weekly", "10d", "never"]
    assert settings.learned() == parse(BacktestSettings, ["--policies", "never"]).learned()
    assert settings.learned() != parse(BacktestSettings, ["--seed", "1"]).learned()


def test_a_difference_says_whether_it_may_be_chance() -> None:
    assert Figure.of(Mean(0.01, -0.01, 0.03)).may_be_chance
    assert not Figure.of(Mean(0.02, 0.01, 0.03)).may_be_chance
    alone = Figure.of(Mean(0.02, float("-inf"), float("inf")))
    assert alone.may_be_chance and alone.signed() == "+0.0200" and alone.low is None


def test_a_backtest_is_in_one_process() -> None:
    with pytest.raises(ValueError, match="replays the log in one process, not with spark"):
        BacktestSettings.model_validate({"engine": {"kind": "spark"}})
