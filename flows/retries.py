"""Which failures a retry can help."""

from typing import Any

from prefect import State

from ncf.errors import NCFError


def is_passing(task: Any, task_run: Any, state: State[Any]) -> bool:
    """Whether a failure may pass by itself: a network or a database may, wrong data and wrong settings do not."""
    try:
        state.result()
    except NCFError:
        return False
    except Exception:
        return True
    return False
