"""The one way to train a model."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.loggers import Logger

from ncf.config import TrainingConfig
from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError
from ncf.hardware import HardwareConfig, torch_threads
from ncf.models.build import Model
from ncf.training.best import BestWeights, LastWeights
from ncf.training.checkpoint import checkpoints, newest_checkpoint, stopped_after
from ncf.training.devices import Spawned, check_hardware, errors_of_processes, quiet
from ncf.training.module import NCFModule, monitored
from ncf.training.progress import ProgressBar


@dataclass(frozen=True)
class Training:
    """What came of a training.

    Attributes:
        model: on the CPU, in evaluation mode, with the weights of the best epoch.
        epochs: epochs run.
        best_epoch: the epoch with the best validation NDCG@10, from 1; 0 if the initial weights were best; the last one
            where nothing was validated.
        best_validation: its validation NDCG@10, by the protocol of the settings; NaN where nothing was validated.
        seconds: wall time, sampling and validation included.
    """

    model: Model
    epochs: int
    best_epoch: int
    best_validation: float
    seconds: float


def fit(
    model: Model,
    data: PreparedData,
    config: TrainingConfig,
    *,
    seed: int,
    title: str = "training",
    hardware: HardwareConfig | None = None,
    loggers: Sequence[Logger] = (),
    callbacks: Sequence[pl.Callback] = (),
    checkpoint_folder: Path | None = None,
    epochs: int | None = None,
) -> Training:
    """Train a model until the validation NDCG@10 no longer rises, and restore the best epoch.

    The initial weights are validated too and count as epoch 0, so that training on from a good model never makes it
    worse. The given model itself is trained.

    With `epochs` the model is trained for exactly that many, and keeps the last weights: for data without a validation
    holdout, as `PreparedData.refitted` gives it, when an earlier training has found the best number. A schedule of the
    learning rate still falls towards `max_epochs`, as it did there.

    Args:
        model: the model with its initial values.
        data: the prepared data set.
        config: optimizer, sampling and stopping.
        seed: seed of shuffling, sampling and dropout; the same seed on one CPU thread gives the same weights.
        title: what the progress bar calls the training.
        hardware: where to compute.
        loggers: receive the training loss and the validation metrics of each epoch.
        callbacks: further Lightning callbacks.
        checkpoint_folder: where checkpoints of the last two epochs are kept. If it has one of this very training, that
            is resumed; on one CPU thread the weights are then bitwise those of a training that was never interrupted.
        epochs: how many, if the validation is not to decide; at most `max_epochs`.

    Raises:
        ConfigError: the hardware asked for is not there, the loss does not go with the labels, or there is no
            validation holdout and `epochs` is not given, or the other way round.
        DataError: every user has every item, so that there are no negatives.
        ModelError: the checkpoint is of other data or settings, or a score became NaN.
    """
    hardware = hardware or HardwareConfig()
    check_hardware(hardware)
    check_labels(data, config)
    _check_epochs(data, config, epochs)
    started = time.perf_counter()
    own_state = torch.random.fork_rng(devices=range(torch.cuda.device_count()))
    with quiet(), torch_threads(hardware.threads_for(config.batch_size)), own_state, TemporaryDirectory() as scratch:
        kept = (BestWeights if epochs is None else LastWeights)(
            Path(scratch) / "kept.ckpt" if hardware.devices > 1 else None
        )
        trainer = _trainer(config, hardware, loggers, [kept, ProgressBar(title), *callbacks], checkpoint_folder, epochs)
        identity = identify(model, data, config, seed) | ({} if epochs is None else {"epochs": epochs})
        module = NCFModule(model.train(), data, config, hardware, seed, identity)  # Lightning keeps the mode it finds
        resumed = newest_checkpoint(checkpoint_folder, identity) if checkpoint_folder else None
        if resumed is not None and (stopped := stopped_after(resumed)) is not None:
            trainer.fit_loop.max_epochs = stopped  # nothing is left to do but to read the result
        with errors_of_processes():
            trainer.fit(module, ckpt_path=resumed, weights_only=True)
        kept.recover()
        model.load_state_dict(kept.weights)
    return Training(
        model=model.cpu().eval(),
        epochs=kept.epochs,
        best_epoch=kept.epoch,
        best_validation=kept.score,
        seconds=time.perf_counter() - started,
    )


def check_labels(data: PreparedData, config: TrainingConfig) -> None:
    """Refuse a loss that can't learn from the data's labels.

    Raises:
        ConfigError: the data have labels, and the loss takes none.
    """
    if data.labels is not None and not config.takes_labels:
        raise ConfigError(
            "explicit feedback needs a loss that takes its labels",
            got=config.loss,
            allowed="bce, mse, least-squares",
            do="choose one of these, or prepare the data with implicit feedback",
        )


def _check_epochs(data: PreparedData, config: TrainingConfig, epochs: int | None) -> None:
    if (epochs is None) != (len(data.validation) > 0):
        raise ConfigError(
            "the number of epochs is given for data without a validation holdout, and for no other",
            got={"epochs": epochs, "validated users": len(data.validation)},
            do="leave it out, or give data.refitted()" if len(data.validation) else "give it",
        )
    if epochs is not None and not 0 <= epochs <= config.max_epochs:
        raise ConfigError("impossible number of epochs", got=epochs, allowed=f"0 to max_epochs, {config.max_epochs}")


def identify(model: Model, data: PreparedData, config: TrainingConfig, seed: int) -> dict[str, Any]:
    """What a checkpoint belongs to, as plain values: data, settings, seed, and the shape of the weights."""
    shapes = {f"weights {name}": list(value.shape) for name, value in model.state_dict().items()}
    return {"data": data.fingerprint, "seed": seed, **config.model_dump(mode="json"), **shapes}


def _trainer(
    config: TrainingConfig,
    hardware: HardwareConfig,
    loggers: Sequence[Logger],
    callbacks: Sequence[pl.Callback],
    checkpoint_folder: Path | None,
    epochs: int | None,
) -> pl.Trainer:
    own = [EarlyStopping(monitored(config), mode="max", patience=config.patience)] if epochs is None else []
    return pl.Trainer(
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        strategy=Spawned() if hardware.devices > 1 else "auto",
        use_distributed_sampler=False,  # the batches are parts already
        precision="32-true" if hardware.precision == "float32" else hardware.precision,
        max_epochs=config.max_epochs if epochs is None else epochs,
        limit_val_batches=1.0 if epochs is None else 0,
        logger=list(loggers),
        callbacks=[*own, *callbacks, *([checkpoints(checkpoint_folder)] if checkpoint_folder else [])],
        enable_checkpointing=checkpoint_folder is not None,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
