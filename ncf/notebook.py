"""Train a model by the name of its recipe."""

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


@dataclass(frozen=True)
class Trained:
    """A trained model and all that belongs to it.

    Attributes:
        name: of its recipe.
        recipe: the settings it was trained with.
        training: the model, epochs run, the best of them with its validation NDCG@10, seconds.
        curves: one row an epoch, from 1: train/loss, and HR@10 and NDCG@10 of the validation under their keys, such as
            validation/full/ndcg_at_10.
        bundle: everything needed to recommend; `bundle.save(folder)` keeps it, `Recommender(bundle)` recommends.
    """

    name: ModelName
    recipe: Recipe
    training: Training
    curves: pd.DataFrame
    bundle: Bundle

    @property
    def model(self) -> Model:
        """On the CPU, in evaluation mode, with the weights of the best epoch."""
        return self.training.model

    def score_all(self, users: Tensor) -> Tensor:
        """Users int64[B] -> logits float[B, num_items], without gradients: it can be evaluated as it is."""
        with torch.no_grad():
            return self.model.score_all(users)


def train(
    name: ModelName,
    data: PreparedData,
    recipe: Recipe | Mapping[str, Any] = DEFAULTS,
    *,
    seed: int = 0,
    pretrained: tuple[Trained, Trained] | None = None,
    hardware: HardwareConfig | Mapping[str, Any] = DEFAULTS,
) -> Trained:
    """Train a model until its validation NDCG@10 no longer rises, and keep the weights of the best epoch.

    Args:
        name: gmf, mlp, neumf, or neumf-pretrained, which goes on from a trained GMF and MLP.
        data: the prepared data set.
        recipe: what is not to be as by default, as settings or as names and values:
            {"model": {"embedding_dim": 64}, "training": {"max_epochs": 20}}; the fields are those of GMFRecipe,
            MLPRecipe, NeuMFRecipe and PretrainedRecipe in ncf.config.
        seed: of initial values, shuffling, negatives and dropout; on one CPU thread it gives the same model again.
        pretrained: for neumf-pretrained, the trained GMF and MLP; they are left as they are.
        hardware: where to compute; by default on a GPU, where there is one.

    Raises:
        ConfigError: there is no recipe of this name, a setting is unknown or impossible, the hardware asked for is not
            there, the loss does not go with explicit feedback, or neumf-pretrained lacks its GMF and MLP.
        ModelError: a score became NaN.
    """
    if name not in RECIPES:
        raise ConfigError("there is no such recipe", got=name, allowed=", ".join(RECIPES))
    chosen = settings_of(RECIPES[name], recipe)
    model, config = _initial_model(chosen, data, seed, pretrained)
    with TemporaryDirectory() as scratch:
        logger = CSVLogger(scratch, name="", version="")
        training = fit(
            model,
            data,
            chosen.training,
            seed=seed,
            title=name,
            hardware=settings_of(HardwareConfig, hardware),
            loggers=[logger],
        )
        curves = _curves(Path(logger.log_dir) / "metrics.csv")
    bundle = Bundle.of(training.model, config, data, name=name, settings=chosen.model_dump(mode="json"))
    return Trained(name, chosen, training, curves, bundle)


def _initial_model(
    recipe: Recipe, data: PreparedData, seed: int, pretrained: tuple[Trained, Trained] | None
) -> tuple[Model, ModelConfig]:
    if not isinstance(recipe, PretrainedRecipe):
        if pretrained is not None:
            raise ConfigError("pretrained is for neumf-pretrained alone", got=recipe.model.kind, do="leave it out")
        return build_model(recipe.model, data.num_users, data.num_items, seed), recipe.model
    models = tuple(part.model for part in pretrained or ())
    match models:
        case (GMF() as gmf, MLP() as mlp):
            return NeuMF.from_pretrained(gmf, mlp, recipe.alpha), _shape_of(*(pretrained or ()))
    raise ConfigError(
        "neumf-pretrained goes on from a trained GMF and a trained MLP",
        got=[part.name for part in pretrained or ()],
        allowed="pretrained=(gmf, mlp)",
        do='train both first: train("gmf", data) and train("mlp", data)',
    )


def _shape_of(*parts: Trained) -> NeuMFConfig:
    """The shape of a NeuMF that has these halves."""
    fields: dict[str, Any] = {}
    for part in parts:
        fields |= part.bundle.config.model_dump(include=set(NeuMFConfig.model_fields) - {"kind"})
    return NeuMFConfig(**fields)


def _curves(file: Path) -> pd.DataFrame:
    """What Lightning's logger wrote, one row an epoch: it has the loss and the validation of an epoch apart."""
    if not file.is_file():  # no epoch was run
        return pd.DataFrame({TRAIN_LOSS: pd.Series(dtype="float64")}, index=pd.RangeIndex(1, 1, name=EPOCH))
    rows = pd.read_csv(file).drop(columns=EPOCH, errors="ignore").rename(columns={"step": EPOCH})  # from 1
    return rows.groupby(EPOCH).first()


SHOWN = ("full/hr_at_10", "full/ndcg_at_10", "sampled/hr_at_10", "sampled/ndcg_at_10")


def compare(
    models: Mapping[str, Scorer],
    data: PreparedData,
    split: SplitName = "test",
    *,
    metrics: Sequence[str] = SHOWN,
    baselines: bool = True,
) -> pd.DataFrame:
    """Evaluate models on the same holdout, with popularity and item-kNN in the first rows.

    The test holdout is for the last word: choose settings by split="validation".

    Args:
        models: trained models, or anything else that scores, by the names they have in the table.
        data: the prepared data set.
        split: "validation" or "test".
        metrics: keys such as "full/ndcg_at_10" (docs/metrics.md): full ranks the held-out item among all that the user
            has not seen, sampled among 99 of them, as the paper does.
        baselines: whether popularity and item-kNN are in the table.

    Returns:
        One row a model: each metric's mean over the users, and with `_ci95` half the width of its 95 % interval.
    """
    scorers: dict[str, Scorer] = {}
    if baselines:
        scorers |= {"popularity": Popularity(data), "item-knn": ItemKNN(data)}
    figures = {name: evaluate(scorer, data, split).figures() for name, scorer in (scorers | dict(models)).items()}
    table = pd.DataFrame.from_dict(figures, orient="index").rename_axis("model")
    return table[[column for key in metrics for column in (key, f"{key}_ci95") if column in table]]
