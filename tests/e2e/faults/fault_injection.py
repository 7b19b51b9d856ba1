"""The flow retrain, killed at a named moment, or held there for something to happen to its servers.

The flow run's environment has $NCF_FAULT: "kill before flows.prepare.flow.load_prepared", "hold after
mlflow.register_model", or "kill epoch mlp 3". A held one writes a file `held` into $NCF_FAULT_FOLDER and waits for the
file `go`.
"""

import os
import signal
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from prefect import flow

from flows.retrain import flow as original
from flows.retrain.report import Report
from flows.retrain.settings import RetrainSettings
from flows.retrain.train import EpochProgress

FAULT, FOLDER = "NCF_FAULT", "NCF_FAULT_FOLDER"
HOLD_SECONDS = 400.0
SAID_SECONDS = 0.5  # until what the run said has reached the server


@flow(name="retrain", flow_run_name="retrain {settings.dataset}, seed {settings.seed}")
def retrain(settings: RetrainSettings) -> Report:
    """The retraining itself, under the same name."""
    return original.retrain.fn(settings)


def die() -> None:
    time.sleep(SAID_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def wait() -> None:
    folder = Path(os.environ[FOLDER])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "held").touch()
    end = time.monotonic() + HOLD_SECONDS
    while not (folder / "go").exists() and time.monotonic() < end:
        time.sleep(0.1)


def at_call(strike: Callable[[], None], moment: str, target: str) -> None:
    """Strike before or after the first call of a function."""
    owner, _, name = target.rpartition(".")
    module = import_module(owner)
    function = getattr(module, name)
    struck: list[bool] = []

    def once() -> None:
        if not struck:
            struck.append(True)
            strike()

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if moment == "before":
            once()
        result = function(*args, **kwargs)
        if moment == "after":
            once()
        return result

    setattr(module, name, wrapped)


def at_epoch(strike: Callable[[], None], model: str, epoch: int) -> None:
    """Strike before the checkpoint of an epoch, counted from 1, of a model; "refit" is the winner on all data."""
    for name in ("on_validation_end", "on_train_epoch_end"):
        shown = getattr(EpochProgress, name)

        def struck(self: EpochProgress, trainer: pl.Trainer, module: pl.LightningModule, shown: Any = shown) -> None:
            shown(self, trainer, module)
            is_model = self.title.endswith(" on all data") if model == "refit" else self.title == model
            if is_model and trainer.current_epoch + 1 == epoch and not trainer.sanity_checking:
                strike()

        setattr(EpochProgress, name, struck)


def inject_fault(fault: str) -> None:
    """Arrange what a text such as "kill epoch mlp 3" says."""
    action, moment, target, *rest = fault.split()
    strike = {"kill": die, "hold": wait}[action]
    if moment == "epoch":
        at_epoch(strike, target, int(rest[0]))
    else:
        at_call(strike, moment, target)


if os.environ.get(FAULT):
    inject_fault(os.environ[FAULT])
