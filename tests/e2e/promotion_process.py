"""What the processes of test_promotion.py run: `python -m tests.e2e.promotion_process kill | race ...`."""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from mlflow import MlflowClient

from flows.registry.alias import Registry, locked
from flows.registry.promotion import ChampionMovedError, promote
from tests.flows.registry.placeholder_versions import NAME, change

WRITES = ("set_registered_model_tag", "set_registered_model_alias", "update_registered_model")


def kill(uri: str, after: str, compared: str, moment: str) -> None:
    """Promote, and die by SIGKILL at a moment: 0 is before the first write to MLflow, 1 after it, and so on."""
    writes = iter(range(1, 100))

    def dying(write: Callable[..., Any]) -> Callable[..., Any]:
        def write_or_die(*args: Any, **kwargs: Any) -> Any:
            result = write(*args, **kwargs)
            if next(writes) == int(moment):
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return write_or_die

    for name in WRITES:
        setattr(MlflowClient, name, dying(getattr(MlflowClient, name)))
    if moment == "0":
        with locked(Registry(uri, NAME)):
            os.kill(os.getpid(), signal.SIGKILL)
    promote(Registry(uri, NAME), change(int(after)), int(compared))


def race(uri: str, *versions: str) -> None:
    """Promote each of the versions, however often another process is quicker; tells how often that was."""
    registry, moved = Registry(uri, NAME), 0
    for version in versions:
        while True:
            try:
                promote(registry, change(int(version)), registry.champion())
                break
            except ChampionMovedError:
                moved += 1
    sys.stdout.write(f"moved {moved}\n")


def hold(uri: str) -> None:
    """Take the lock, say so, and keep it until killed."""
    with locked(Registry(uri, NAME)):
        sys.stdout.write("held\n")
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    actions: dict[str, Callable[..., None]] = {"kill": kill, "race": race, "hold": hold}
    actions[sys.argv[1]](*sys.argv[2:])
