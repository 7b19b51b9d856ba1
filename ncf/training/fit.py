"""The one way to train a model."""

import logging
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import Logger

from ncf.config import HardwareConfig, TrainingConfig
from ncf.data.prepared import PreparedData
from ncf.evaluation.ranking import HoldoutRanker
from ncf.models.build import Model
from ncf.training.batches import TrainingBatches
from ncf.training.module import MONITOR, NCFModule
from ncf.training.progress import ProgressBar


@dataclass(frozen=True)
class Training:
    """What came of a training.

    Attributes:
        model: on the CPU, in evaluation mode, with the weights of the best epoch.
        epochs: epochs run.
        best_epoch: the epoch with the best validation NDCG@10, from 1; 0 if the initial weights were best.
        best_validation: its validation NDCG@10, full ranking.
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
) -> Training:
    """Train a model until the validation NDCG@10 (full ranking) no longer rises, and restore the best epoch.

    The initial weights are validated too and count as epoch 0, so that training on from a good model never makes it
    worse. The model given is the one trained.

    Args:
        model: the model with its initial values.
        data: the prepared data set.
        config: optimizer, sampling and stopping.
        seed: seed of shuffling, sampling and dropout; the same seed on one CPU thread gives the same weights.
        title: what the progress bar calls the training.
        hardware: where to compute.
        loggers: receive the training loss and the validation metrics of each epoch.
        callbacks: further Lightning callbacks.
    """
    hardware = hardware or HardwareConfig()
    started = time.perf_counter()
    with _quiet(), _threads(hardware.threads), tempfile.TemporaryDirectory(prefix="ncf-") as scratch:
        best = ModelCheckpoint(scratch, "best", monitor=MONITOR, mode="max", save_weights_only=True)
        stop = EarlyStopping(MONITOR, mode="max", patience=config.patience)
        trainer = pl.Trainer(
            accelerator=hardware.accelerator,
            devices=1,
            max_epochs=config.max_epochs,
            logger=list(loggers),
            callbacks=[best, stop, ProgressBar(title), *callbacks],
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        device = trainer.strategy.root_device
        batches = TrainingBatches(data, config.batch_size, config.num_negatives, seed, device)
        ranker = HoldoutRanker(data, "validation", device)
        before = ranker.rank_all(model.to(device).eval()).summary()["full/ndcg_at_10"].value
        initial = {name: value.clone() for name, value in model.state_dict().items()}
        module = NCFModule(model.train(), batches, ranker, config, seed)  # Lightning keeps the mode it finds
        trainer.fit(module, train_dataloaders=batches, val_dataloaders=ranker)
        score = before if best.best_model_score is None else float(best.best_model_score)
        improved = score > before
        if improved:
            saved = torch.load(Path(best.best_model_path), map_location="cpu", weights_only=True)
            module.load_state_dict(saved["state_dict"])
        else:
            model.load_state_dict(initial)
    return Training(
        model=model.cpu().eval(),
        epochs=trainer.current_epoch,
        best_epoch=saved["epoch"] + 1 if improved else 0,
        best_validation=score if improved else before,
        seconds=time.perf_counter() - started,
    )


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's notes on devices, loaders and folders from the user, who can do nothing about them."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning.*")
            warnings.filterwarnings("ignore", message=".*_pytree.*")
            yield
    finally:
        logger.setLevel(level)
