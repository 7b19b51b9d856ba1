import pytest
from pydantic import ValidationError

from ncf.errors import ConfigError
from tuning.config import BudgetConfig, PrunerConfig, SamplerConfig, StorageConfig


@pytest.mark.parametrize("given", [{"trials": 0}, {"trials": -1}, {"minutes": 0}, {"minutes": -1.5}])
def test_a_budget_of_nothing_is_refused(given: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="greater than"):
        BudgetConfig.model_validate(given)


def test_unknown_samplers_and_pruners_are_refused_with_those_there_are() -> None:
    with pytest.raises(ValidationError, match="'tpe', 'random', 'gp' or 'grid'"):
        SamplerConfig.model_validate({"kind": "annealing"})
    with pytest.raises(ValidationError, match="'median', 'hyperband' or 'none'"):
        PrunerConfig.model_validate({"kind": "mean"})


def test_a_url_with_a_password_is_not_a_setting() -> None:
    with pytest.raises(ConfigError, match="must not have a password") as caught:
        StorageConfig(url="postgresql://me:hidden-word@host/studies")
    assert "hidden-word" not in str(caught.value)
    assert StorageConfig(url="postgresql://me@host/studies").url is not None


def test_the_grace_is_longer_than_the_time_between_heartbeats() -> None:
    with pytest.raises(ValidationError, match="grace_seconds must be above heartbeat_seconds, got 10 and 10"):
        StorageConfig(heartbeat_seconds=10, grace_seconds=10)
