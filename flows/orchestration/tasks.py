"""Which failures a retry can help."""

import errno
from typing import Any

import requests
from mlflow.exceptions import MlflowException
from prefect import State

from ncf.errors import NCFError

RETRIES, RETRY_SECONDS = 8, 5  # a server that is started again answers within half a minute
MISTAKES = (TypeError, AttributeError, NameError, LookupError, AssertionError)  # in a program: they stay
LASTING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG)


def is_passing(task: Any, task_run: Any, state: State[Any]) -> bool:
    """Whether a failure may pass by itself: a network or a database may, wrong data and wrong settings do not."""
    try:
        state.result()
    except (NCFError, *MISTAKES):
        return False
    except OSError as error:
        return error.errno not in LASTING
    except Exception:
        return True
    return False


def was_away(task: Any, task_run: Any, state: State[Any]) -> bool:
    """Whether MLflow did not answer, or not to the end; for work that is dear, and goes on from what it has kept."""
    try:
        state.result()
    except (MlflowException, requests.RequestException):
        return True
    except Exception:
        return False
    return False
