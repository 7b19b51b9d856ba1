"""The LightningModule: what one step, one validation and one optimizer are."""

import math
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from typing_extensions import override

from ncf.config import TrainingConfig
from ncf.evaluation.ranking import HoldoutRanker, Ranks
from ncf.models.build import Model
from ncf.training.batches import DROPOUT_STREAM, TrainingBatches, derived_seed
from ncf.training.checkpoint import IDENTITY
from ncf.training.losses import LOSSES

MONITOR = "validation/full/ndcg_at_10"
TRAIN_LOSS = "train/loss"


class NCFModule(pl.LightningModule):
    """Trains a model on positives (label 1) and sampled negatives (label 0).

    Optimization is manual: one Lightning step makes several optimizer steps, since Lightning's own cost a step is
    larger than that of a small batch.

    Args:
        model: returns logits [B, C] for users [B] and items [B, C].
        batches: the epoch's positives and negatives; its device must be the model's.
        ranker: the validation holdout.
        config: optimizer, learning rate, L2.
        seed: seed of dropout.
        identity: what a checkpoint of this training belongs to.
    """

    def __init__(
        self,
        model: Model,
        batches: TrainingBatches,
        ranker: HoldoutRanker,
        config: TrainingConfig,
        seed: int,
        identity: dict[str, Any],
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = model
        self.batches = batches
        self.ranker = ranker
        self.config = config
        self.seed = seed
        self.identity = identity
        self._loss = torch.zeros(())
        self._ranks: list[tuple[Tensor, Tensor]] = []

    @override
    def configure_optimizers(self) -> torch.optim.Optimizer:
        parameters, rate = self.model.parameters(), self.config.learning_rate
        match self.config.optimizer:
            case "sgd":
                return torch.optim.SGD(parameters, lr=rate, fused=True)
            case "adamw":
                return torch.optim.AdamW(parameters, lr=rate, weight_decay=self.config.weight_decay, fused=True)
            case "adam":
                return torch.optim.Adam(parameters, lr=rate, fused=True)

    @override
    def on_train_epoch_start(self) -> None:
        self.batches.epoch = self.current_epoch
        self._loss = torch.zeros((), device=self.device)
        torch.manual_seed(derived_seed(self.seed, DROPOUT_STREAM, self.current_epoch))  # nn.Dropout knows no other

    @override
    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        optimizer: Any = self.optimizers()
        size = self.batches.positives_per_step
        self._set_learning_rate(optimizer, batch_index / len(self.batches))
        for users, items in zip(batch[0].split(size), batch[1].split(size), strict=True):
            loss = self._step_loss(users, items)
            optimizer.zero_grad()
            self.manual_backward(loss)
            if self.config.gradient_clip is not None:
                nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
            optimizer.step()
            self._loss += loss.detach() * len(users)

    def _set_learning_rate(self, optimizer: Any, epoch_share: float) -> None:
        """A function of the place in the training alone, so that a resumed training needs no scheduler's state."""
        if self.config.schedule != "constant":
            done = (self.current_epoch + epoch_share) / self.config.max_epochs
            left = 1 - done if self.config.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2
            for group in optimizer.param_groups:
                group["lr"] = self.config.learning_rate * left

    def _step_loss(self, users: Tensor, items: Tensor) -> Tensor:
        loss = LOSSES[self.config.loss](self.model(users, items))
        if self.config.embedding_l2 > 0:
            loss = loss + self.config.embedding_l2 * self.model.squared_norm(users, items)
        return loss

    @override
    def on_train_epoch_end(self) -> None:
        self._log({TRAIN_LOSS: self.epoch_loss})

    @override
    def validation_step(self, rows: slice, batch_index: int) -> None:
        self._ranks.append(self.ranker.rank(self.model, rows))

    @override
    def on_validation_epoch_end(self) -> None:
        full, sampled = (torch.cat(column).cpu().numpy() for column in zip(*self._ranks, strict=True))
        self._ranks.clear()
        self._log({f"validation/{key}": float(value.mean()) for key, value in Ranks(full, sampled).values().items()})

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[IDENTITY] = self.identity

    @property
    def epoch_loss(self) -> float:
        """Mean loss of the epoch, which is complete when the validation begins."""
        return float(self._loss / len(self.batches.users))

    def _log(self, metrics: dict[str, float]) -> None:
        """Log by epoch, counted from 1, where Lightning would count optimizer steps."""
        self.log_dict({**metrics, "step": float(self.current_epoch + 1)})
