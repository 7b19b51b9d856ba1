"""The tasks of all flows: nothing is cached, and only a failure that may pass is retried."""

import errno
from collections.abc import Callable
from typing import Any, ParamSpec, TypeAlias, TypeVar

import prefect
import requests
from mlflow.exceptions import MlflowException
from prefect import State, Task
from prefect.cache_policies import NO_CACHE

from ncf.errors import NCFError

P = ParamSpec("P")
R = TypeVar("R")
RetryCondition: TypeAlias = Callable[[Any, Any, State[Any]], bool]

RETRIES, RETRY_SECONDS = 8, 5  # a server that is restarted answers within half a minute
BUGS = (TypeError, AttributeError, NameError, LookupError, AssertionError)
LASTING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG)


def task(
    name: str, run_name: str | None = None, retry_if: RetryCondition | None = None
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Decorate a function as a Prefect task without a cache.

    Args:
        name: of the task.
        run_name: a template such as "train {name}", filled in with the task's parameters; by default the name.
        retry_if: `is_transient` or `is_mlflow_outage`; without one the task is never retried.
    """
    return prefect.task(
        name=name,
        task_run_name=run_name or name,
        cache_policy=NO_CACHE,
        retries=RETRIES if retry_if else 0,
        retry_delay_seconds=RETRY_SECONDS,
        retry_condition_fn=retry_if,
    )


def is_transient(task: Any, task_run: Any, state: State[Any]) -> bool:
    """Whether a failure may pass by itself: a network or a database may recover, wrong data and settings do not."""
    try:
        state.result()
    except (NCFError, *BUGS):
        return False
    except OSError as error:
        return error.errno not in LASTING
    except Exception:
        return True
    return False


def is_mlflow_outage(task: Any, task_run: Any, state: State[Any]) -> bool:
    """Whether MLflow did not answer completely; for expensive work, which continues from its last checkpoint."""
    try:
        state.result()
    except (MlflowException, requests.RequestException):
        return True
    except Exception:
        return False
    return False
