"""Keeps the weights of the best epoch, in memory and in every checkpoint."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from typing_extensions import override

from ncf.training.module import MONITOR, NCFModule


class BestWeights(pl.Callback):
    """Remembers the weights with the best validation NDCG@10, the initial ones included (epoch 0).

    They are part of the checkpoint, so that one file is all that a resumed training needs.

    Args:
        score: validation NDCG@10 of the initial weights.
        weights: the initial weights, copied.
    """

    def __init__(self, score: float, weights: dict[str, Tensor]) -> None:
        self.score = score
        self.epoch = 0
        self.weights = _copy(weights)

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, NCFModule)
        score = float(trainer.callback_metrics[MONITOR])
        if score > self.score:
            self.score, self.epoch = score, trainer.current_epoch + 1
            self.weights = _copy(pl_module.model.state_dict())

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"score": self.score, "epoch": self.epoch, "weights": self.weights}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.score, self.epoch, self.weights = (state_dict[key] for key in ("score", "epoch", "weights"))


def _copy(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().to("cpu", copy=True) for name, value in weights.items()}


def restore(model: torch.nn.Module, best: BestWeights) -> None:
    """Give a model the best weights."""
    model.load_state_dict(best.weights)
