"""The LightningModule: training step, validation, optimizer and learning rate."""

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from typing_extensions import override

from ncf.config import TrainingConfig
from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError
from ncf.evaluation.metrics import Values
from ncf.evaluation.ranking import CUTOFF, STEERING, HoldoutRanker, metric_values
from ncf.hardware import HardwareConfig
from ncf.models.build import Model
from ncf.splitmix import derived_seed
from ncf.training.all_pairs import Batches, Block, make_batches
from ncf.training.batches import DROPOUT_STREAM, Step, TrainingBatches
from ncf.training.native.library import library
from ncf.training.native.step import NATIVE_MODELS, NativeStep
from ncf.training.objective import step_loss

logger = logging.getLogger(__name__)

TRAIN_LOSS = "train/loss"
IDENTITY = "ncf_identity"  # in a checkpoint


def monitored(config: TrainingConfig) -> str:
    """Key of the metric that selects the best epoch."""
    return f"validation/{config.validate_by}/ndcg_at_{CUTOFF}"


class NCFModule(pl.LightningModule):
    """Trains a model on positives (label 1, or the rating if feedback is explicit) and negatives (label 0).

    Optimization is manual: one Lightning step makes several optimizer steps, since a Lightning step costs more than a
    small batch.

    Args:
        model: returns logits [B, C] for users [B] and items [B, C].
        data: the prepared data set; batches and validation holdout are moved to the model's device.
        config: optimizer, learning rate, L2.
        hardware: threads, and whether to compile.
        seed: seed of shuffling, sampling and dropout.
        identity: of this training, for its checkpoints.

    Attributes:
        batches: the epoch's positives and negatives, this process's shard; set by `setup`.
        ranker: of the validation holdout; set by `setup`.
        epoch_loss: mean loss of the epoch over all processes; set when the epoch's training ends.
        native_step: makes the steps in compiled code, from the start of the training; None: torch makes them.
    """

    batches: Batches
    ranker: HoldoutRanker
    epoch_loss: float
    native_step: NativeStep | None

    def __init__(
        self,
        model: Model,
        data: PreparedData,
        config: TrainingConfig,
        hardware: HardwareConfig,
        seed: int,
        identity: dict[str, Any],
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = model
        self.data = data
        self.config = config
        self.hardware = hardware
        self.seed = seed
        self.identity = identity
        self._ranks: list[dict[str, Tensor]] = []
        self.native_step = None

    @override
    def setup(self, stage: str) -> None:
        threads = self.hardware.threads_for(self.config.batch_size)
        torch.set_num_threads(threads)  # per process
        device = self.trainer.strategy.root_device
        self._native_threads = threads if device.type == "cpu" and self._compiles() else None
        self.batches = make_batches(
            self.data,
            self.config,
            self.seed,
            device,
            rank=self.trainer.global_rank,
            world_size=self.trainer.world_size,
            native_threads=self._native_threads,
        )
        self.ranker = HoldoutRanker(self.data, "validation", device, memory_mb=self.hardware.scoring_memory_mb)
        self._loss_of: Callable[[Step | Block], Tensor] = self._step_loss
        if self.hardware.compile and not self._makes_native_steps:
            self._loss_of = torch.compile(self._step_loss, dynamic=True)

    def _compiles(self) -> bool:
        """Whether there is compiled code for this CPU; compiles it if necessary."""
        if self.hardware.compile is False:
            return False
        try:
            library()
        except ConfigError as error:
            if self.hardware.compile:
                raise
            logger.warning("training without compiled steps, many times slower: %s", error)
            return False
        return True

    @property
    def _makes_native_steps(self) -> bool:
        return (
            self._native_threads is not None
            and type(self.model) in NATIVE_MODELS
            and isinstance(self.batches, TrainingBatches)
            and self.config.gradient_clip is None
            and self.hardware.precision == "float32"
            and self.trainer.world_size == 1
        )

    @override
    def train_dataloader(self) -> Batches:
        return self.batches

    @override
    def val_dataloader(self) -> DataLoader[slice]:
        parts: Any = self.ranker.shard(self.trainer.global_rank, self.trainer.world_size)
        return DataLoader(parts, batch_size=None)

    @override
    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        return batch  # it is on the device already

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
    def on_train_start(self) -> None:
        if self._makes_native_steps:
            assert isinstance(self.batches, TrainingBatches) and self._native_threads is not None
            wrapped: Any = self.optimizers()
            size = self.batches.positives_per_step
            self.native_step = NativeStep(self.model, self.config, wrapped.optimizer, size, self._native_threads)

    @override
    def on_train_epoch_start(self) -> None:
        self.batches.epoch = self.current_epoch
        self._loss = torch.zeros((), device=self.device)
        seed = derived_seed(self.seed, DROPOUT_STREAM, self.current_epoch, self.trainer.global_rank)
        torch.manual_seed(seed)  # the models' dropout uses the global generator

    @override
    def training_step(self, steps: Sequence[Step | Block], batch_index: int) -> None:
        wrapped: Any = self.optimizers()
        optimizer = wrapped.optimizer
        self._set_learning_rate(optimizer, batch_index / len(self.batches))
        done = 0
        if self.native_step is not None:
            done = self.native_step(cast("Sequence[Step]", steps), self._loss)
            if done < len(steps) or batch_index == len(self.batches) - 1:
                self.native_step.finish()
        if done == len(steps):
            wrapped.step()  # without gradients, it only counts; see below
        for number, step in enumerate(steps[done:], start=done + 1):
            loss = self._loss_of(step)
            self._backward(loss * step.weight if step.weight != 1 else loss)
            self._loss += loss.detach() * step.counted
            if step.last:
                if self.config.gradient_clip is not None:
                    nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
                # Lightning's wrapper counts a step for the checkpoints; one for each call is enough
                (wrapped if number == len(steps) else optimizer).step()
                optimizer.zero_grad()

    def _backward(self, loss: Tensor) -> None:
        if self.trainer.world_size > 1:
            self.manual_backward(loss)  # averages the gradients over the processes
        else:
            loss.backward()  # the same for one process, without Lightning's overhead

    def _set_learning_rate(self, optimizer: torch.optim.Optimizer, epoch_share: float) -> None:
        """Set the rate from the progress of the training alone, so that a checkpoint needs no scheduler state."""
        if self.config.schedule != "constant":
            done = (self.current_epoch + epoch_share) / self.config.max_epochs
            left = 1 - done if self.config.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2
            for group in optimizer.param_groups:
                group["lr"] = self.config.learning_rate * left

    def _step_loss(self, step: Step | Block) -> Tensor:
        return step_loss(self.model, self.config, step)

    @override
    def on_train_epoch_end(self) -> None:
        if not len(self.ranker.users):
            self._compute_epoch_loss()
        self._log({TRAIN_LOSS: self.epoch_loss})

    @override
    def on_validation_epoch_start(self) -> None:
        self._compute_epoch_loss()

    def _compute_epoch_loss(self) -> None:
        [total] = self._sum_over_processes([self._loss.item()])
        self.epoch_loss = total / self.batches.counted

    @override
    def validation_step(self, rows: slice, batch_index: int) -> None:
        self._ranks.append(self._rank(rows))

    @override
    def on_validation_epoch_end(self) -> None:
        values = _metric_values(self._ranks)
        self._ranks.clear()
        sums = self._sum_over_processes([float(value.sum()) for value in values.values()])
        means = {f"validation/{key}": total / len(self.ranker.users) for key, total in zip(values, sums, strict=True)}
        self._log(means)

    def validate(self) -> float:
        """The monitored metric of the model as it is now."""
        with torch.inference_mode():
            values = _metric_values([self._rank(rows) for rows in self.ranker])
        return float(values[monitored(self.config).removeprefix("validation/")].mean())

    def _rank(self, rows: slice) -> dict[str, Tensor]:
        """Ranks int64[B] of some rows of the holdout, for each protocol."""
        if self.config.validate_by == "sampled":
            return {"sampled": self.ranker.rank_candidates(self.model, rows)}
        full, sampled = self.ranker.rank(self.model, rows)
        return {"full": full, "sampled": sampled}

    def _sum_over_processes(self, values: list[float]) -> list[float]:
        """Sum each value over the processes."""
        if self.trainer.world_size == 1:
            return values
        mine = torch.tensor(values, dtype=torch.float64, device=self.device)
        total: Tensor = self.trainer.strategy.reduce(mine, reduce_op="sum")
        return total.tolist()

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[IDENTITY] = self.identity

    def _log(self, metrics: dict[str, float]) -> None:
        """Log with the epoch as the step, counted from 1; Lightning would log the number of optimizer steps."""
        self.log_dict({**metrics, "step": float(self.current_epoch + 1)})


def _metric_values(blocks: list[dict[str, Tensor]]) -> dict[str, Values]:
    """Per-user values of the steering metrics by key, from the ranks of blocks of users."""
    values: dict[str, Values] = {}
    for protocol in blocks[0]:
        ranks = torch.cat([block[protocol] for block in blocks]).cpu().numpy()
        values |= metric_values(protocol, ranks, (CUTOFF,), STEERING)
    return values
