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
from ncf.training.callbacks import BestWeights, LastWeights, ProgressBar, checkpoints, newest_checkpoint, stopped_after
from ncf.training.devices import Spawned, check_hardware, errors_of_processes, quiet_lightning
from ncf.training.module import NCFModule, monitored


@dataclass(frozen=True)
class Training:
    """The result of a training.

    Attributes:
        model: on the CPU, in evaluation mode, with the weights of the best epoch.
        epochs: number of epochs that were run.
        best_epoch: the epoch with the best validation NDCG@10, from 1; 0: the initial weights; the last epoch if
            nothing was validated.
        best_validation: its validation NDCG@10, by the protocol of the settings; NaN if nothing was validated.
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
    """Train a model until the validation NDCG@10 stops rising, and restore the weights of the best epoch.

    The initial weights are validated as well and count as epoch 0, so a good model never becomes worse. The model is
    trained in place.

    With `epochs`, the model is trained for exactly that number of epochs and keeps the last weights. This is for data
    without a validation holdout (`PreparedData.refitted`), when an earlier training has found the best number. A
    learning-rate schedule still decreases towards `max_epochs`, as in that training.

    Args:
        model: the model with its initial values.
        data: the prepared data set.
        config: optimizer, sampling and stopping.
        seed: seed of shuffling, sampling and dropout; the same seed on one CPU thread gives the same weights.
        title: shown before the progress bar.
        hardware: where to compute.
        loggers: receive the training loss and the validation metrics of each epoch.
        callbacks: further Lightning callbacks.
        checkpoint_folder: keeps checkpoints of the last two epochs. If it has one of this training, the training
            resumes from it; on one CPU thread, the weights are then the same bits as without the interruption.
        epochs: number of epochs, if there is no validation; at most `max_epochs`.

    Raises:
        ConfigError: the hardware is not there, the loss can't use the labels, or `epochs` is missing for data without a
            validation holdout, or given for data with one.
        DataError: every user has every item, so there are no negatives.
        ModelError: the checkpoint belongs to other data or settings, or a score became NaN.
    """
    hardware = hardware or HardwareConfig()
    check_hardware(hardware)
    check_labels(data, config)
    _check_epochs(data, config, epochs)
    started = time.perf_counter()
    own_random_state = torch.random.fork_rng(devices=range(torch.cuda.device_count()))
    threads = torch_threads(hardware.threads_for(config.batch_size))
    with quiet_lightning(), threads, own_random_state, TemporaryDirectory() as scratch:
        handover = Path(scratch) / "weights.ckpt" if hardware.devices > 1 else None
        final = BestWeights(handover) if epochs is None else LastWeights(handover)
        trainer = _trainer(
            config, hardware, loggers, [final, ProgressBar(title), *callbacks], checkpoint_folder, epochs
        )
        identity = identify(model, data, config, seed) | ({} if epochs is None else {"epochs": epochs})
        module = NCFModule(model.train(), data, config, hardware, seed, identity)  # Lightning leaves the mode as it is
        _train(trainer, module, checkpoint_folder)
        final.recover()
        model.load_state_dict(final.weights)
    seconds = time.perf_counter() - started
    return Training(model.cpu().eval(), final.epochs, final.epoch, final.score, seconds)


def _train(trainer: pl.Trainer, module: NCFModule, checkpoint_folder: Path | None) -> None:
    """Train from the start, or from the newest checkpoint."""
    checkpoint = newest_checkpoint(checkpoint_folder, module.identity) if checkpoint_folder else None
    if checkpoint is not None and (stopped := stopped_after(checkpoint)) is not None:
        trainer.fit_loop.max_epochs = stopped  # the training is complete; only its result is read
    with errors_of_processes():
        trainer.fit(module, ckpt_path=checkpoint, weights_only=True)


def check_labels(data: PreparedData, config: TrainingConfig) -> None:
    """Refuse a loss that ignores the labels of explicit feedback.

    Raises:
        ConfigError: the data has labels, and the loss does not use them.
    """
    if data.labels is not None and not config.takes_labels:
        raise ConfigError(
            "explicit feedback needs a loss that uses labels",
            got=config.loss,
            allowed="bce, mse, least-squares",
            do="choose one of these, or prepare the data with implicit feedback",
        )


def _check_epochs(data: PreparedData, config: TrainingConfig, epochs: int | None) -> None:
    if (epochs is None) != (len(data.validation) > 0):
        raise ConfigError(
            "epochs is for data without a validation holdout, and required there",
            got={"epochs": epochs, "validated users": len(data.validation)},
            do="leave out epochs, or pass data.refitted()" if len(data.validation) else "pass epochs",
        )
    if epochs is not None and not 0 <= epochs <= config.max_epochs:
        raise ConfigError("invalid number of epochs", got=epochs, allowed=f"0 to max_epochs, {config.max_epochs}")


def identify(model: Model, data: PreparedData, config: TrainingConfig, seed: int) -> dict[str, Any]:
    """Identity of a training, as plain values: data, settings, seed, and the shapes of the weights."""
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
        use_distributed_sampler=False,  # the batches are shards already
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
