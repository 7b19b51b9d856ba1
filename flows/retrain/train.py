"""Task: train one model, measure it, and store it in MLflow. A finished model is never trained again."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from prefect.logging import get_run_logger
from pytorch_lightning.loggers import MLFlowLogger
from typing_extensions import override

from flows.charts.png import png
from flows.orchestration.artifacts import Progress, artifact_key
from flows.orchestration.tasks import is_mlflow_outage, task
from flows.registry.alias import BUNDLE
from flows.registry.models import champion_version, load_judged
from flows.retrain.comparison import CURVES, training_chart
from flows.retrain.measure import finish_model, measure
from flows.retrain.settings import RetrainSettings
from flows.tracking import BEST_EPOCH, EPOCHS, SECONDS
from flows.tracking.store import global_store
from flows.tracking.tracker import ModelRun, Tracker
from ncf.config import ModelConfig, NeuMFConfig, Settings, flatten
from ncf.data.prepared import PreparedData
from ncf.errors import ModelError
from ncf.files import cache_dir
from ncf.models.build import Model, build_model, carry_over
from ncf.models.gmf import GMF
from ncf.models.mlp import MLP
from ncf.models.neumf import NeuMF
from ncf.serving.bundle import Bundle
from ncf.training.fit import Training, fit
from ncf.training.module import NCFModule, monitored

GMF_NAME, MLP_NAME, NEUMF_NAME, PRETRAINED = "gmf", "mlp", "neumf", "neumf-pretrained"


@task("train model", "train {name} on {settings.dataset}", retry_if=is_mlflow_outage)
def train_model(
    tracker: Tracker,
    parent_id: str,
    name: str,
    settings: RetrainSettings,
    data: PreparedData,
    pretrained: tuple[ModelRun, ModelRun] | None = None,
) -> ModelRun:
    """Train one model until its validation metric stops improving, and measure it on both holdouts.

    Args:
        tracker: of the data set.
        parent_id: MLflow run of the retraining.
        name: gmf, mlp, neumf or neumf-pretrained.
        settings: of the whole retraining.
        data: the prepared data set.
        pretrained: the finished GMF and MLP that neumf-pretrained starts from.
    """
    done = tracker.find_model(parent_id, name)
    if done is not None:
        get_run_logger().info("%s is already trained", name)
        return done
    recipe = recipe_of(settings, name)
    model, config = initial_model(tracker, settings, recipe, data, pretrained)
    run_id = tracker.resume_model(parent_id, name, lambda run_id: checkpoint_folder(run_id).exists())
    get_run_logger().info("training %s" if run_id is None else "training %s from its last checkpoint", name)
    run_id = run_id or tracker.start_model(parent_id, name, model_settings(settings, recipe, config), data)
    training = fit_in_run(tracker, run_id, name, model, settings, data)
    get_run_logger().info(
        "%s: %d epochs in %.0f s, the best was epoch %d with validation NDCG@10 %.4f",
        *(name, training.epochs, training.seconds, training.best_epoch, training.best_validation),
    )
    return _store(tracker, run_id, name, settings, config, data, training)


class EpochProgress(pl.Callback):
    """Shows the epoch and its validation NDCG@10, if there is a validation, in the Prefect UI.

    Args:
        key: of the artifact.
        title: the model's name.
    """

    def __init__(self, key: str, title: str) -> None:
        self.title = title
        self.progress = Progress(key, f"{title}: the training starts")

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero and not trainer.enable_validation:
            epoch, epochs = trainer.current_epoch + 1, trainer.max_epochs or 1
            self.progress.update(epoch / epochs, f"{self.title}: epoch {epoch} of {epochs}")

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, NCFModule)
        if trainer.is_global_zero:
            ndcg = float(trainer.callback_metrics[monitored(pl_module.config)])
            epoch, epochs = trainer.current_epoch + 1, trainer.max_epochs or 1
            self.progress.update(
                epoch / epochs, f"{self.title}: epoch {epoch} of at most {epochs}, validation NDCG@10 {ndcg:.4f}"
            )


def checkpoint_folder(run_id: str) -> Path:
    """The folder with the checkpoints of a training that is not complete."""
    return cache_dir() / "checkpoints" / run_id


def remove_checkpoints(run_id: str) -> None:
    """Remove the checkpoints of a complete training."""
    shutil.rmtree(checkpoint_folder(run_id), ignore_errors=True)


def load_model(tracker: Tracker, run: ModelRun) -> Model:
    """The weights of a finished model."""
    return load_bundle(tracker, run.run_id).model


def load_bundle(tracker: Tracker, run_id: str) -> Bundle:
    """A finished model with everything that serving needs."""
    with tempfile.TemporaryDirectory() as scratch:
        return Bundle.load(tracker.files.download(run_id, BUNDLE, Path(scratch)))


def initial_model(
    tracker: Tracker,
    settings: RetrainSettings,
    recipe: Any,
    data: PreparedData,
    pretrained: tuple[ModelRun, ModelRun] | None,
) -> tuple[Model, ModelConfig]:
    """A model with the values it starts from, and its shape."""
    if pretrained is None:
        model = build_model(recipe.model, data.num_users, data.num_items, settings.seed)
        if settings.warm_start:
            _warm_start(tracker, settings, model, recipe.model, data)
        return model, recipe.model
    gmf, mlp = (load_model(tracker, run) for run in pretrained)
    if not (isinstance(gmf, GMF) and isinstance(mlp, MLP)):
        raise ModelError("pretraining takes a GMF and an MLP", got=[run.name for run in pretrained])
    config = NeuMFConfig(
        embedding_dim=settings.gmf.model.embedding_dim,
        layers=settings.mlp.model.layers,
        dropout=settings.mlp.model.dropout,
    )
    return NeuMF.from_pretrained(gmf, mlp, recipe.alpha), config


def _warm_start(
    tracker: Tracker, settings: RetrainSettings, model: Model, config: ModelConfig, data: PreparedData
) -> None:
    version = champion_version(tracker, settings.model_name)
    champion = None if version is None else load_judged(tracker, settings.model_name, version)
    if champion is not None and champion.bundle.config == config:
        old = champion.bundle  # not the refitted one, which has learned from holdouts
        carry_over(model, old.model, old.user_ids, old.item_ids, data)
        get_run_logger().info("%s starts from the champion, version %d", config.kind, champion.version)


def fit_in_run(
    tracker: Tracker,
    run_id: str,
    name: str,
    model: Model,
    settings: RetrainSettings,
    data: PreparedData,
    *,
    title: str = "",
    epochs: int | None = None,
) -> Training:
    """Train a model; its epochs are logged to its MLflow run and shown in Prefect.

    Args:
        tracker: of the data set.
        run_id: of the model.
        name: of the model, whose settings are taken.
        model: with the values it starts from.
        settings: of the whole retraining.
        data: the prepared data set.
        title: of the progress; empty: the name.
        epochs: number of epochs, if there is no validation.
    """
    title = title or name
    with global_store(tracker.uri):
        return fit(
            model,
            data,
            recipe_of(settings, name).training,
            seed=settings.seed,
            title=title,
            hardware=settings.hardware,
            callbacks=[EpochProgress(artifact_key(settings.dataset, title, "progress"), title)],
            loggers=[MLFlowLogger(tracker.dataset, tracking_uri=tracker.uri, run_id=run_id)],
            checkpoint_folder=checkpoint_folder(run_id),
            epochs=epochs,
        )


def _store(
    tracker: Tracker,
    run_id: str,
    name: str,
    settings: RetrainSettings,
    config: ModelConfig,
    data: PreparedData,
    training: Training,
) -> ModelRun:
    """Measure a trained model and store it in MLflow, then remove its checkpoints."""
    metrics = measure(tracker, run_id, training.model, data, settings.hardware) | {
        EPOCHS: float(training.epochs),
        BEST_EPOCH: float(training.best_epoch),
        SECONDS: training.seconds,
    }
    recipe = recipe_of(settings, name)
    about = {"name": name, "settings": recipe.model_dump(mode="json"), "metrics": metrics}
    with tempfile.TemporaryDirectory() as scratch:
        Bundle.of(training.model, config, data, **about).save(Path(scratch) / BUNDLE)
        tracker.files.log_folder(run_id, Path(scratch) / BUNDLE, BUNDLE)
    curves = training_chart(tracker, ModelRun(name, run_id, metrics), monitored(recipe.training))
    tracker.files.log_bytes(run_id, png(curves), CURVES)
    finished = finish_model(tracker, run_id, name, metrics, data)
    remove_checkpoints(run_id)
    return finished


def recipe_of(settings: RetrainSettings, name: str) -> Any:
    """The settings of a model's shape and training."""
    return getattr(settings, name.replace("-", "_"))


def model_settings(settings: RetrainSettings, recipe: Settings, config: ModelConfig) -> dict[str, Any]:
    """The settings of one model, as MLflow parameters."""
    shared = settings.model_dump(mode="json", include={"dataset", "seed", "data"})
    return flatten(shared | recipe.model_dump(mode="json") | {"model": config.model_dump(mode="json")})
