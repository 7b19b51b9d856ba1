"""Which failures are tried again."""

import errno

import pytest
import requests
from mlflow.exceptions import MlflowException
from prefect.states import Failed

from flows.orchestration.tasks import is_mlflow_outage, is_transient
from ncf.errors import DataError


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (ConnectionError("refused"), True),
        (RuntimeError("database is locked"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (DataError("no column user_id"), False),
        (TypeError("unsupported operand"), False),
        (KeyError("user"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_may_pass_by_itself_is_tried_again(error: Exception, passing: bool) -> None:
    assert is_transient(None, None, Failed(data=error)) is passing


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (MlflowException("API request failed with exception IncompleteRead(0 bytes read, 375 more expected)"), True),
        (requests.exceptions.ChunkedEncodingError("IncompleteRead"), True),
        (RuntimeError("CUDA out of memory"), False),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (DataError("no column user_id"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_dear_work_is_done_again_if_mlflow_was_away_alone(error: Exception, away: bool) -> None:
    assert is_mlflow_outage(None, None, Failed(data=error)) is away
