"""How far a training is, as a progress bar in the Prefect UI."""

import time

import pytorch_lightning as pl
from typing_extensions import override

from flows.shown import Shown
from ncf.training.module import NCFModule, monitored

SECONDS = 5.0  # between messages to Prefect's server, each of which takes some milliseconds


class EpochsShown(pl.Callback):
    """Tells Prefect the epoch and its validation NDCG@10.

    Args:
        shown: the progress bar.
        title: the model's name.
    """

    def __init__(self, shown: Shown, title: str) -> None:
        self.shown, self.title = shown, title
        self.last = time.monotonic()

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, NCFModule)
        if not trainer.is_global_zero or time.monotonic() - self.last < SECONDS:
            return
        self.last = time.monotonic()
        ndcg = float(trainer.callback_metrics[monitored(pl_module.config)])
        epoch, epochs = trainer.current_epoch + 1, trainer.max_epochs or 1
        self.shown.tell(
            epoch / epochs, f"{self.title}: epoch {epoch} of at most {epochs}, validation NDCG@10 {ndcg:.4f}"
        )
