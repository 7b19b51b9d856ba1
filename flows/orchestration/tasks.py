"""The tasks of all flows: nothing is cached, only a failure that may pass is retried; and the events of flows."""

import errno
import logging
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeAlias, TypeVar

import prefect
import requests
from mlflow.exceptions import MlflowException
from prefect import State, Task
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event
from prefect.settings import get_current_settings

from ncf.errors import NCFError

P = ParamSpec("P")
R = TypeVar("R")
RetryCondition: TypeAlias = Callable[[Any, Any, State[Any]], bool]

RETRIES, RETRY_SECONDS = 8, 5  # a server that is restarted answers within half a minute
BUGS = (TypeError, AttributeError, NameError, LookupError, AssertionError)
LASTING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG)
PROMOTED, DRIFTED, FAULTY = "ncf.promoted", "ncf.data-drifted", "ncf.log-fault"
NEWER_LOG = "ncf.newer-log"  # the champion stays, and serves from a newer log
log = logging.getLogger(__name__)


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


def dataset_resource(dataset: str) -> str:
    """The id under which events name a data set."""
    return f"ncf.dataset.{dataset}"


def version_resource(model_name: str, version: int) -> str:
    """The id under which events name a version of a registered model."""
    return f"ncf.model-version.{model_name}.{version}"


def emit(
    event: str, dataset: str, related: Mapping[str, str] | None = None, payload: Mapping[str, Any] | None = None
) -> None:
    """Send an event about a data set to the Prefect server; never fails.

    Without a server that stays, nothing is sent: the embedded server ends with the run, and nothing listens there.

    Args:
        event: its name, such as "ncf.promoted".
        dataset: the data set's name.
        related: ids of further resources by role, such as model-version.
        payload: JSON values.
    """
    if get_current_settings().api.url is None:
        return
    try:
        emit_event(
            event,
            resource={"prefect.resource.id": dataset_resource(dataset), "prefect.resource.name": dataset},
            related=[
                {"prefect.resource.id": resource, "prefect.resource.role": role}
                for role, resource in (related or {}).items()
            ],
            payload=dict(payload or {}),
        )
    except Exception as error:  # what the event reports has happened all the same
        log.warning("the event %s could not be sent to Prefect: %s", event, error)
