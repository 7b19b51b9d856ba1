"""Keeps the weights of the best epoch, or of the last one, in memory and in every checkpoint."""

import math
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from typing_extensions import override

from ncf.training.module import NCFModule, monitored


class KeptWeights(pl.Callback):
    """Hands the weights that a training ends with to who asked for it.

    They are part of the checkpoint, so that one file is all that a resumed training needs.

    Args:
        handover: a file for the result, where other processes than this one train; `recover` reads it.

    Attributes:
        score: their validation NDCG@10; NaN where nothing is validated.
        epoch: the epoch that had them, from 1; 0 for the initial weights.
        weights: a copy on the CPU.
        epochs: epochs run.
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
        """Take over what the training processes found."""
        if self.handover is not None:
            found = torch.load(self.handover, weights_only=True)
            self.load_state_dict(found)
            self.epochs = found["epochs"]

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"score": self.score, "epoch": self.epoch, "weights": self.weights}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.score, self.epoch, self.weights = (state_dict[key] for key in ("score", "epoch", "weights"))


class BestWeights(KeptWeights):
    """Keeps the weights with the best validation NDCG@10, the initial ones included (epoch 0)."""

    @override
    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, NCFModule)
        if not self.weights:  # a resumed training has them from its checkpoint
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


class LastWeights(KeptWeights):
    """Keeps the weights of the last epoch."""

    @override
    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, NCFModule)
        self.epoch = trainer.current_epoch
        self.weights = _copy(pl_module.model.state_dict())
        super().on_fit_end(trainer, pl_module)


def _copy(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().to("cpu", copy=True) for name, value in weights.items()}
