"""Lightning callbacks: the weights of the best or of the last epoch, checkpoints, and a progress bar."""

import logging
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor
from tqdm import tqdm
from typing_extensions import override

from ncf.config import differences
from ncf.errors import ModelError
from ncf.training.all_pairs import Block
from ncf.training.batches import Step
from ncf.training.module import IDENTITY, NCFModule, monitored

logger = logging.getLogger(__name__)


class FinalWeights(pl.Callback):
    """The weights that a training ends with. They are part of each checkpoint, so that a training can resume from one.

    Args:
        handover: a file for the result, if other processes than this one train; `recover` reads it.

    Attributes:
        score: validation NDCG@10 of the weights; NaN where nothing is validated.
        epoch: the epoch of the weights, from 1; 0: the initial weights.
        weights: a copy on the CPU.
        epochs: number of epochs that were run.
    """

    def __init__(self, handover: Path | None = None) -> None:
        self.score = math.nan
        self.epoch = 0
        self.weights: dict[str, Tensor] = {}
        self.epochs = 0
        self.handover = handover

    @override
    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.epochs = trainer.current_epoch
        if self.handover is not None and trainer.is_global_zero:
            torch.save({**self.state_dict(), "epochs": self.epochs}, self.handover)

    def recover(self) -> None:
        """Read what the training processes wrote."""
        if self.handover is not None:
            state = torch.load(self.handover, weights_only=True)
            self.load_state_dict(state)
            self.epochs = state["epochs"]

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"score": self.score, "epoch": self.epoch, "weights": self.weights}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.score, self.epoch, self.weights = (state_dict[key] for key in ("score", "epoch", "weights"))


class BestWeights(FinalWeights):
    """The weights with the best validation NDCG@10; the initial weights count as epoch 0."""

    @override
    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, NCFModule)
        if not self.weights:  # else they come from the checkpoint
            model = pl_module.model.eval()
            self.score = pl_module.validate()
            self.weights = _copy(model.state_dict())
            model.train()

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, NCFModule)
        score = float(trainer.callback_metrics[monitored(pl_module.config)])
        if score > self.score:
            self.score, self.epoch = score, trainer.current_epoch + 1
            self.weights = _copy(pl_module.model.state_dict())


class LastWeights(FinalWeights):
    """The weights of the last epoch."""

    @override
    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, NCFModule)
        self.epoch = trainer.current_epoch
        self.weights = _copy(pl_module.model.state_dict())
        super().on_fit_end(trainer, pl_module)


def _copy(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().to("cpu", copy=True) for name, value in weights.items()}


KEPT = 2  # checkpoints


def checkpoints(folder: Path) -> ModelCheckpoint:
    """A callback that writes a checkpoint after every epoch, atomically, and keeps the last two."""
    return ModelCheckpoint(
        folder, "{epoch:06d}", monitor="epoch", mode="max", save_top_k=KEPT, save_on_train_epoch_end=True
    )


def newest_checkpoint(folder: Path, identity: dict[str, Any]) -> Path | None:
    """The newest readable checkpoint in a folder, with the identity of a training; None if there is none.

    Raises:
        ModelError: the checkpoint has other data, settings or seed; the message names the differences.
    """
    for path in sorted(folder.glob("epoch=*.ckpt"), reverse=True):
        try:
            found = torch.load(path, map_location="cpu", weights_only=True)[IDENTITY]
        except Exception as error:  # torch raises many kinds of errors for a damaged file
            logger.warning("the checkpoint %s is damaged (%s); trying the previous one", path, str(error)[:200])
            continue
        if different := differences(found, identity):
            raise ModelError(
                f"the checkpoint {path} belongs to another training: {', '.join(different)}",
                do="use another checkpoint folder, or delete this one",
            )
        return path
    return None


def stopped_after(path: Path) -> int | None:
    """Number of epochs, if the training had stopped early when this checkpoint was written; else None."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    stopped = any(state.get("stopped_epoch", 0) > 0 for state in saved["callbacks"].values())
    return saved["epoch"] + 1 if stopped else None


class ProgressBar(pl.Callback):
    """One progress bar for the whole training: samples, samples/s, time left, epoch, loss and validation NDCG@10."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.bar: tqdm[NoReturn] | None = None

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, NCFModule)
        if not trainer.is_global_zero:
            return
        epochs = trainer.max_epochs or 0
        self.bar = tqdm(
            desc=self.title,
            total=pl_module.batches.num_samples * epochs,
            initial=pl_module.batches.num_samples * trainer.current_epoch,
            unit=" samples",
            unit_scale=True,
            dynamic_ncols=True,
            file=sys.stderr,
            disable=None,  # shown on a terminal only
        )

    @override
    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: Sequence[Step | Block],
        batch_idx: int,
    ) -> None:
        if self.bar is not None:
            self.bar.update(sum(step.samples for step in batch) * trainer.world_size)

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, NCFModule)
        if self.bar is not None:
            ndcg = float(trainer.callback_metrics[monitored(pl_module.config)])
            self.bar.set_postfix_str(
                f"epoch {trainer.current_epoch + 1}, loss {pl_module.epoch_loss:.3f}, NDCG {ndcg:.4f}"
            )

    @override
    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._close()

    @override
    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._close()

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None
