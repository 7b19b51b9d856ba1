"""Train and compare models in a notebook or a script: `ncf.train` and `ncf.compare`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import pandas as pd
import torch
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor

from ncf.config import RECIPES, ModelConfig, ModelName, NeuMFConfig, PretrainedRecipe, Recipe, settings_of
from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError
from ncf.evaluation.baselines import ItemKNN, Popularity
from ncf.evaluation.evaluate import evaluate
from ncf.evaluation.ranking import Scorer, SplitName
from ncf.hardware import HardwareConfig
from ncf.models.build import Model, build_model
from ncf.models.gmf import GMF
from ncf.models.mlp import MLP
from ncf.models.neumf import NeuMF
from ncf.serving.bundle import Bundle
from ncf.training.fit import Training, fit
from ncf.training.module import TRAIN_LOSS

DEFAULTS: Mapping[str, Any] = MappingProxyType({})
EPOCH = "epoch"
COMPARED = ("full/hr_at_10", "full/ndcg_at_10", "sampled/hr_at_10", "sampled/ndcg_at_10")


@dataclass(frozen=True)
class TrainedModel:
    """A trained model with its settings, learning curves and bundle.

    Attributes:
        name: gmf, mlp, neumf or neumf-pretrained.
        settings: the settings it was trained with.
        training: the model, the number of epochs, the best epoch with its validation NDCG@10, and the seconds.
        curves: one row per epoch, from 1: train/loss, and HR@10 and NDCG@10 on the validation holdout under their keys,
            such as validation/full/ndcg_at_10.
        bundle: everything needed to recommend. `bundle.save(folder)` stores it, `Recommender(bundle)` recommends.
    """

    name: ModelName
    settings: Recipe
    training: Training
    curves: pd.DataFrame
    bundle: Bundle

    @property
    def model(self) -> Model:
        """The torch module, on the CPU, in evaluation mode, with the weights of the best epoch."""
        return self.training.model

    def score_all(self, users: Tensor) -> Tensor:
        """Users int64[B] -> logits float[B, num_items], without gradients, for `evaluate` and `compare`."""
        with torch.no_grad():
            return self.model.score_all(users)


def train(
    data: PreparedData,
    name: ModelName,
    settings: Recipe | Mapping[str, Any] = DEFAULTS,
    *,
    seed: int = 0,
    pretrained: tuple[TrainedModel, TrainedModel] | None = None,
    hardware: HardwareConfig | Mapping[str, Any] = DEFAULTS,
) -> TrainedModel:
    """Train a model until its validation NDCG@10 stops rising, and keep the weights of the best epoch.

    Args:
        data: the prepared data set.
        name: gmf, mlp, neumf, or neumf-pretrained, which continues from a trained GMF and MLP.
        settings: what differs from the defaults, as a recipe or as names and values:
            {"model": {"embedding_dim": 64}, "training": {"max_epochs": 20}}. The fields are those of GMFRecipe,
            MLPRecipe, NeuMFRecipe and PretrainedRecipe in ncf.config.
        seed: seed of initial weights, shuffling, negatives and dropout. On one CPU thread the same seed gives the same
            model.
        pretrained: for neumf-pretrained, the trained GMF and MLP, in this order; they are not changed.
        hardware: where to compute; by default on a GPU, if there is one.

    Raises:
        ConfigError: there is no such model, a setting is unknown or out of range, the requested hardware is missing,
            the loss does not support explicit feedback, or neumf-pretrained lacks its GMF and MLP.
        ModelError: a score became NaN.
    """
    if name not in RECIPES:
        raise ConfigError("there is no such model", got=name, allowed=", ".join(RECIPES))
    recipe = settings_of(RECIPES[name], settings)
    model, config = _initial_model(recipe, data, seed, pretrained)
    chosen_hardware = settings_of(HardwareConfig, hardware)
    with TemporaryDirectory() as scratch:
        logger = CSVLogger(scratch, name="", version="")
        training = fit(model, data, recipe.training, seed=seed, title=name, hardware=chosen_hardware, loggers=[logger])
        curves = _learning_curves(Path(logger.log_dir) / "metrics.csv")
    bundle = Bundle.of(training.model, config, data, name=name, settings=recipe.model_dump(mode="json"))
    return TrainedModel(name, recipe, training, curves, bundle)


def _initial_model(
    recipe: Recipe, data: PreparedData, seed: int, pretrained: tuple[TrainedModel, TrainedModel] | None
) -> tuple[Model, ModelConfig]:
    if not isinstance(recipe, PretrainedRecipe):
        if pretrained is not None:
            raise ConfigError(
                "pretrained is only for neumf-pretrained", got=recipe.model.kind, do="leave pretrained out"
            )
        return build_model(recipe.model, data.num_users, data.num_items, seed), recipe.model
    halves = pretrained or ()
    match [half.model for half in halves]:
        case [GMF() as gmf, MLP() as mlp]:
            shape: dict[str, Any] = {}
            for half in halves:
                shape |= half.bundle.config.model_dump(include=set(NeuMFConfig.model_fields) - {"kind"})
            return NeuMF.from_pretrained(gmf, mlp, recipe.alpha), NeuMFConfig(**shape)
    raise ConfigError(
        "neumf-pretrained needs a trained GMF and a trained MLP",
        got=[half.name for half in halves],
        allowed="pretrained=(gmf, mlp)",
        do='train both first: train(data, "gmf") and train(data, "mlp")',
    )


def _learning_curves(file: Path) -> pd.DataFrame:
    """One row per epoch from the rows of Lightning's logger, which writes an epoch's loss and validation separately."""
    if not file.is_file():  # no epoch was run
        return pd.DataFrame({TRAIN_LOSS: pd.Series(dtype="float64")}, index=pd.RangeIndex(1, 1, name=EPOCH))
    rows = pd.read_csv(file).drop(columns=EPOCH, errors="ignore").rename(columns={"step": EPOCH})  # from 1
    return rows.groupby(EPOCH).first()


def compare(
    models: Mapping[str, Scorer],
    data: PreparedData,
    split: SplitName = "test",
    *,
    metrics: Sequence[str] = COMPARED,
    baselines: bool = True,
) -> pd.DataFrame:
    """Evaluate several models on the same holdout, below popularity and item-kNN.

    Read the test holdout once, at the end: choose settings with split="validation".

    Args:
        models: trained models, or any other scorers, by the names they get in the table.
        data: the prepared data set.
        split: "validation" or "test".
        metrics: keys such as "full/ndcg_at_10" (docs/metrics.md). "full" ranks the held-out item among all items that
            the user has not seen, "sampled" among 99 of them, as the paper does.
        baselines: whether the table includes popularity and item-kNN.

    Returns:
        One row per model: the mean of each metric over the users, and in `_ci95` half the width of its 95 % interval.
    """
    scorers: dict[str, Scorer] = {"popularity": Popularity(data), "item-knn": ItemKNN(data)} if baselines else {}
    figures = {name: evaluate(scorer, data, split).figures() for name, scorer in (scorers | dict(models)).items()}
    table = pd.DataFrame.from_dict(figures, orient="index").rename_axis("model")
    return table[[column for key in metrics for column in (key, f"{key}_ci95") if column in table]]
