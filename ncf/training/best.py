"""Keeps the weights of the best epoch, in memory and in every checkpoint."""

import math
from typing import Any

import pytorch_lightning as pl
from torch import Tensor
from typing_extensions import override

from ncf.training.module import MONITOR, NCFModule


class BestWeights(pl.Callback):
    """Remembers the weights with the best validation NDCG@10, the initial ones included (epoch 0).

    They are part of the checkpoint, so that one file is all that a resumed training needs.

    Attributes:
        score: the best validation NDCG@10.
        epoch: the epoch that had it, from 1; 0 for the initial weights.
        weights: a copy on the CPU.
    """

    def __init__(self) -> None:
        self.score = -math.inf
        self.epoch = 0
        self.weights: dict[str, Tensor] = {}

    @override
    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, NCFModule)
        if not self.weights:  # a resumed training has them from its checkpoint
            model = pl_module.model.eval()
            self.score = pl_module.ranker.rank_all(model).summary()["full/ndcg_at_10"].value
            self.weights = _copy(model.state_dict())
            model.train()

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
