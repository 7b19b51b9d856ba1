"""Which failures are tried again."""

import errno

import pytest
from prefect.states import Failed

from flows.retries import is_passing
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
    assert is_passing(None, None, Failed(data=error)) is passing
