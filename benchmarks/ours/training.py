"""Training jobs: all through `ncf.training.fit.fit`, timed by a callback."""

import time
from dataclasses import replace
from typing import Any

import pytorch_lightning as pl
from typing_extensions import override

from benchmarks.datasets import Shape, load
from ncf.config import GMFConfig, MLPConfig, ModelConfig, NeuMFConfig, TrainingConfig
from ncf.data.prepared import Holdout, PreparedData
from ncf.data.split import Pairs
from ncf.hardware import HardwareConfig
from ncf.models.build import Model, build_model
from ncf.training.fit import fit
from ncf.training.module import NCFModule

FEW_USERS = 50  # validated if validation is not measured; fit() validates after each epoch
HIT_RATE = "validation/sampled/hr_at_10"


class EpochTimer(pl.Callback):
    """Measures seconds of each epoch from the end of one validation to the start of the next.

    This includes shuffling, sampling, steps, Lightning's own work and storing the best weights.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.samples = 0
        self._since = 0.0

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, NCFModule)
        self.samples = pl_module.batches.num_samples
        self._since = time.perf_counter()

    @override
    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.seconds.append(time.perf_counter() - self._since)

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._since = time.perf_counter()


class StopAt(pl.Callback):
    """Stops the training as soon as the validation HR@10 (sampled) reaches the target.

    Args:
        target: the HR@10.
    """

    def __init__(self, target: float) -> None:
        self.target = target
        self.hit_rates: list[float] = []

    @property
    def reached(self) -> bool:
        """Whether the last validation reached the target."""
        return bool(self.hit_rates) and self.hit_rates[-1] >= self.target

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.hit_rates.append(float(trainer.callback_metrics[HIT_RATE]))
        trainer.should_stop = trainer.should_stop or self.reached


def train(job: dict[str, Any]) -> dict[str, Any]:
    """Seconds of each epoch, and samples in one. The first `warm_up` epochs are left out."""
    data = load(Shape(**job["shape"]), num_candidates=99 if job["validate"] else 1)
    if not job["validate"]:
        data = with_few_validated(data)
    timer = EpochTimer()
    train_epochs(job, data, job["warm_up"] + job["epochs"], [timer])
    return {"seconds": timer.seconds[job["warm_up"] :], "samples": timer.samples}


def grid(job: dict[str, Any]) -> dict[str, Any]:
    """Seconds of each epoch but the first, and samples in one, for each case: model, batch_size, num_negatives."""
    data = with_few_validated(load(Shape(**job["shape"]), num_candidates=1))
    results = []
    for case in job["cases"]:
        timer = EpochTimer()
        model = {"embedding_dim": 8, "layers": [], "dropout": 0.0, "learning_rate": 0.001} | case["model"]
        train_epochs({**job, **case, **model}, data, 1 + job["epochs"], [timer])
        results.append({"seconds": timer.seconds[1:], "samples": timer.samples})
    return {"results": results}


def until(job: dict[str, Any]) -> dict[str, Any]:
    """Seconds of fit(), validation included, until the validation HR@10 (sampled) reaches the target."""
    data = load(Shape(**job["shape"]))
    stop = StopAt(job["target"])
    started = time.perf_counter()
    train_epochs(job, data, job["epochs"], [stop])
    return {"seconds": time.perf_counter() - started, "reached": stop.reached, "hit_rates": stop.hit_rates}


def train_epochs(job: dict[str, Any], data: PreparedData, epochs: int, callbacks: list[pl.Callback]) -> None:
    """Train the job's model for a number of epochs through the public function."""
    config = TrainingConfig(
        learning_rate=job["learning_rate"],
        batch_size=job["batch_size"],
        num_negatives=job["num_negatives"],
        embedding_l2=job.get("embedding_l2", 0.0),
        validate_by=job.get("validate_by", "full"),
        max_epochs=epochs,
        patience=epochs + 1,
    )
    hardware = HardwareConfig(accelerator="cpu", threads=job["threads"], compile=job.get("compile"))
    fit(build(job, data), data, config, seed=0, hardware=hardware, callbacks=callbacks)


def build(job: dict[str, Any], data: PreparedData) -> Model:
    """The job's model, NeuMF by default, with its initial values."""
    tower = {"layers": tuple(job["layers"]), "dropout": job["dropout"]}
    config: ModelConfig
    match job.get("kind", "neumf"):
        case "gmf":
            config = GMFConfig(embedding_dim=job["embedding_dim"])
        case "mlp":
            config = MLPConfig.model_validate(tower)
        case _:
            config = NeuMFConfig.model_validate({"embedding_dim": job["embedding_dim"]} | tower)
    return build_model(config, data.num_users, data.num_items, seed=0)


def with_few_validated(data: PreparedData) -> PreparedData:
    """The same training data; only the first users are validated."""
    pairs, candidates = data.validation.pairs, data.validation.candidates
    few = Holdout(Pairs(pairs.users[:FEW_USERS], pairs.items[:FEW_USERS]), candidates[:FEW_USERS])
    return replace(data, validation=few)
