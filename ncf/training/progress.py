"""One progress bar for one whole training."""

import sys
from collections.abc import Sequence
from typing import NoReturn

import pytorch_lightning as pl
from tqdm import tqdm
from typing_extensions import override

from ncf.training.batches import Step
from ncf.training.epoch import Block
from ncf.training.module import NCFModule, monitored


class ProgressBar(pl.Callback):
    """Shows samples done, samples/s, time left, the epoch, its loss and its validation NDCG@10.

    Args:
        title: the model's name.
    """

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
            disable=None,  # only where there is a terminal
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
