"""The four ways to a model, small enough for the checkerboard, and a look inside a training."""

from copy import deepcopy

import pytorch_lightning as pl
import torch
from torch import Tensor
from typing_extensions import override

from ncf.config import GMFConfig, MLPConfig, ModelConfig, NeuMFConfig, TrainingConfig
from ncf.data.prepared import PreparedData
from ncf.evaluation.ranking import HoldoutRanker, Scorer
from ncf.models.build import Model, build_model
from ncf.models.gmf import GMF
from ncf.models.mlp import MLP
from ncf.models.neumf import NeuMF
from ncf.training.fit import fit
from ncf.training.module import TRAIN_LOSS, NCFModule, monitored
from tests.ncf.toy_data import scramble

GMF_KIND, MLP_KIND, NEUMF_KIND, PRETRAINED = "gmf", "mlp", "neumf", "neumf-pretrained"
KINDS = (GMF_KIND, MLP_KIND, NEUMF_KIND, PRETRAINED)
WITH_DROPOUT = (MLP_KIND, NEUMF_KIND, PRETRAINED)

LEARN = TrainingConfig(learning_rate=0.02, batch_size=256, max_epochs=40, patience=8)
BRIEF = LEARN.model_copy(update={"max_epochs": 3})

State = dict[str, Tensor]


def new_model(kind: str, data: PreparedData, seed: int = 0, dropout: float = 0.0) -> Model:
    """A model before its training; the pretrained one starts from halves trained for two epochs."""
    if kind == PRETRAINED:
        short = LEARN.model_copy(update={"learning_rate": 0.005, "max_epochs": 2})
        gmf = fit(new_model(GMF_KIND, data, seed), data, short, seed=seed).model
        mlp = fit(new_model(MLP_KIND, data, seed, dropout), data, short, seed=seed).model
        assert isinstance(gmf, GMF)
        assert isinstance(mlp, MLP)
        return NeuMF.from_pretrained(gmf, mlp, 0.5)
    layers = (16, 16, 8)
    configs: dict[str, ModelConfig] = {
        GMF_KIND: GMFConfig(embedding_dim=8),
        MLP_KIND: MLPConfig(layers=layers, dropout=dropout),
        NEUMF_KIND: NeuMFConfig(embedding_dim=8, layers=layers, dropout=dropout),
    }
    return build_model(configs[kind], data.num_users, data.num_items, seed)


def scrambled_model(kind: str, data: PreparedData) -> Model:
    """Weights large enough for every part of the loss to count."""
    model = new_model(kind, data)
    scramble(model, torch.Generator().manual_seed(3), std=0.4)
    return model


def state(model: Model) -> State:
    return deepcopy(model.state_dict())


def validation_ndcg(scorer: Scorer, data: PreparedData) -> float:
    return HoldoutRanker(data, "validation").rank_all(scorer).summary()["full/ndcg_at_10"].value


def same_weights(ours: Model, theirs: Model) -> bool:
    """Whether two models have bitwise the same weights."""
    mine, other = ours.state_dict(), theirs.state_dict()
    return mine.keys() == other.keys() and all(torch.equal(mine[name], other[name]) for name in mine)


class Recorder(pl.Callback):
    """Keeps what each epoch measured and the weights it ended with, and the loss of the last one."""

    def __init__(self) -> None:
        self.last_loss = float("nan")
        self.validations: list[float] = []
        self.states: list[State] = []
        self.optimizer_steps = 0

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.optimizers[0].register_step_post_hook(self._count)

    def _count(self, *_: object) -> None:
        self.optimizer_steps += 1

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, NCFModule)
        if len(pl_module.data.validation):
            self.validations.append(float(trainer.callback_metrics[monitored(pl_module.config)]))
        self.states.append({name: value.clone() for name, value in pl_module.state_dict().items()})

    @override
    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.last_loss = float(trainer.callback_metrics[TRAIN_LOSS])


class StopAt(pl.Callback):
    """Fails in the middle of an epoch, as a training may."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    @override
    def on_train_batch_end(self, trainer: pl.Trainer, *args: object) -> None:
        if trainer.current_epoch == self.epoch:
            raise RuntimeError("stopped")


def check_one_step(model: Model, loss: Tensor, data: PreparedData, config: TrainingConfig) -> Recorder:
    """Train for an epoch of one step of SGD, and hold the weights to those that the gradient of this loss leads to."""
    names, values = zip(*model.named_parameters(), strict=True)
    gradients = torch.autograd.grad(loss, values)
    expected = [value.detach() - config.learning_rate * by for value, by in zip(values, gradients, strict=True)]
    recorder = Recorder()
    fit(model, data, config, seed=4, callbacks=[recorder])
    assert recorder.optimizer_steps == 1
    for name, value in zip(names, expected, strict=True):
        torch.testing.assert_close(recorder.states[0][f"model.{name}"], value, rtol=1e-4, atol=1e-5)
    return recorder
