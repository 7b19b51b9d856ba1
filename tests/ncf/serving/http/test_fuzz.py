"""Requests made up from the service's own OpenAPI description, right ones and wrong ones.

Never a 500, and every answer as it is described. The fast tests make some dozens of each path, the slow ones thousands.
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.config import SchemathesisConfig
from schemathesis.openapi import from_asgi
from schemathesis.schemas import BaseSchema

from ncf.data.prepared import PreparedData
from ncf.serving.config import Limits
from ncf.serving.http.app import create_app
from tests.ncf.serving.bundles import CONFIGS, bundle_of, some_data, with_text_ids, with_uuids
from tests.ncf.serving.http.clients import live_of

FEW, MANY = 30, 1_000  # other kinds of ids take the same way but for their reading: a quarter of them
CONFIG = SchemathesisConfig.from_dict(
    {
        "checks": {
            # the description leaves open which type ids have: a text is refused where the model has numbers
            "positive_data_acceptance": {"expected-statuses": ["2xx", "422"]},
            "negative_data_rejection": {"expected-statuses": ["4xx"]},  # 413 too
        }
    }
)


def described(data: PreparedData) -> BaseSchema:
    app = create_app(live_of(bundle_of(data, CONFIGS[2])), Limits(requests_per_second=1e9))
    return from_asgi("/openapi.json", app, config=CONFIG)


INTEGERS, TEXT, UUIDS = (described(data) for data in (some_data(), with_text_ids(some_data()), with_uuids(some_data())))


def examples(number: int) -> Callable[[Any], Any]:
    unhurried = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    return settings(max_examples=number, derandomize=True, database=None, suppress_health_check=unhurried)


@INTEGERS.parametrize()
@examples(FEW)
def test_a_model_with_integers(case: Case) -> None:
    case.call_and_validate()


@TEXT.parametrize()
@examples(FEW)
def test_a_model_with_text(case: Case) -> None:
    case.call_and_validate()


@pytest.mark.slow
@INTEGERS.parametrize()
@examples(MANY)
def test_a_model_with_integers_for_long(case: Case) -> None:
    case.call_and_validate()


@pytest.mark.slow
@TEXT.parametrize()
@examples(MANY // 4)
def test_a_model_with_text_for_long(case: Case) -> None:
    case.call_and_validate()


@pytest.mark.slow
@UUIDS.parametrize()
@examples(MANY // 4)
def test_a_model_with_uuids_for_long(case: Case) -> None:
    case.call_and_validate()
