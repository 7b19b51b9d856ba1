"""Quality jobs: search settings on validation, choose the epoch, train the final model, evaluate the test once.

A spec describes a model as a JSON value: {"model", "recipe", "seed", "epochs", "parts"}. `epochs` are those of its
final training; `parts` are the specs of the GMF and the MLP that neumf-pretrained starts from, else None.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
from filelock import FileLock
from pydantic import TypeAdapter
from safetensors.torch import load_file, save_file
from typing_extensions import override

from benchmarks.ours.logs import prepared
from ncf import __version__
from ncf.config import RECIPES, GMFRecipe, MLPRecipe, PretrainedRecipe, Recipe, content_key
from ncf.data.prepared import PreparedData
from ncf.evaluation.metrics import METRICS, mean_with_interval
from ncf.evaluation.ranking import CUTOFF, HoldoutRanker, Ranks
from ncf.files import new_file
from ncf.hardware import HardwareConfig
from ncf.models.build import Model, build_model
from ncf.models.gmf import GMF
from ncf.models.mlp import MLP
from ncf.models.neumf import NeuMF
from ncf.training.fit import fit
from ncf.training.module import NCFModule
from tuning.config import BudgetConfig, PrunerConfig
from tuning.parts import trained_part
from tuning.problem import Problem
from tuning.ranges import Range
from tuning.study import open_study
from tuning.summary import summarize
from tuning.work import run_trials

Spec = dict[str, Any]
Job = dict[str, Any]
ONE_THREAD = HardwareConfig(accelerator="cpu", threads=1)
HR_LENGTHS = tuple(range(1, CUTOFF + 1))
SPACE: TypeAdapter[dict[str, Range]] = TypeAdapter(dict[str, Range])


def search(job: Job) -> dict[str, Any]:
    """Search a model's settings; an interrupted search resumes.

    job: log, model, recipe (of the first trial), space, parts (recipes), seed, trials, warmup_epochs, folder.
    """
    data = prepared(job["log"])
    parts = job["parts"] and tuple(_recipe(part, job["parts"][part]) for part in ("gmf", "mlp"))
    problem = Problem(
        job["model"],
        _recipe(job["model"], job["recipe"]),
        SPACE.validate_python(job["space"]),
        data,
        seed=job["seed"],
        hardware=ONE_THREAD,
        parts=cast(tuple[GMFRecipe, MLPRecipe] | None, parts or None),
    )
    name = f"{job['model']}-{content_key(problem.identity())}"
    database = Path(job["folder"]) / "studies" / f"{name}.db"
    pruner = PrunerConfig(warmup_epochs=job["warmup_epochs"])
    handle = open_study(f"sqlite:///{database}", name, problem, pruner=pruner)
    run_trials(handle, BudgetConfig(trials=job["trials"]))
    found = summarize(handle)
    assert found.recipe is not None
    assert found.best is not None
    return {
        "recipe": found.recipe.model_dump(mode="json"),
        "epoch": found.best.best_epoch,
        "score": found.best.score,
        "first": found.default.score if found.default else None,
        "states": dict(found.states),
        "minutes": found.minutes,
        "trials": [[one.number, one.state, one.score, _plain(one.values)] for one in found.outcomes],
    }


def choose(job: Job) -> dict[str, Any]:
    """Train with given settings and return the best epoch on validation.

    job: log, spec (its epochs are ignored), folder.
    """
    data, spec = prepared(job["log"]), job["spec"]
    recipe = _recipe(spec["model"], spec["recipe"])
    parts = [
        trained_part(
            cast(GMFRecipe | MLPRecipe, _recipe(part["model"], part["recipe"])), data, spec["seed"], ONE_THREAD
        )
        for part in spec["parts"] or ()
    ]
    model = _initial(recipe, [part.model for part in parts], data, spec["seed"])
    training = fit(model, data, recipe.training, seed=spec["seed"], hardware=ONE_THREAD)
    ranks = HoldoutRanker(data, "validation").rank_all(training.model)
    return {
        "epoch": training.best_epoch,
        "score": training.best_validation,
        "seconds": training.seconds,
        **{key: mean_with_interval(values).value for key, values in ranks.values().items()},
    }


def final(job: Job) -> dict[str, Any]:
    """Train a model on train and validation together, for the epochs of its spec, and evaluate the test.

    The curve is the test metric after each epoch with the sampled protocol: only for display, nothing is chosen by it.

    job: log, spec, folder.
    """
    data = prepared(job["log"])
    curve = TestCurve(data)
    model = train_final(job["spec"], data.refitted(), Path(job["folder"]), curve)
    return {**test_metrics(HoldoutRanker(data, "test").rank_all(model)), "curve": curve.points, "losses": curve.losses}


def fuse(job: Job) -> dict[str, Any]:
    """Test metrics of the fusion of the final GMF and MLP for each alpha, without training after it.

    job: log, parts (specs), alphas, folder.
    """
    data = prepared(job["log"])
    ranker, refitted = HoldoutRanker(data, "test"), data.refitted()
    gmf, mlp = (train_final(spec, refitted, Path(job["folder"])) for spec in job["parts"])
    assert isinstance(gmf, GMF)
    assert isinstance(mlp, MLP)
    return {"by_alpha": [test_metrics(ranker.rank_all(NeuMF.from_pretrained(gmf, mlp, a))) for a in job["alphas"]]}


class TestCurve(pl.Callback):
    """Records HR@10 and NDCG@10 (sampled) of the test holdout after each epoch, and the training loss."""

    def __init__(self, data: PreparedData) -> None:
        self.ranker = HoldoutRanker(data, "test")
        self.points: list[list[float]] = []
        self.losses: list[float] = []

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, NCFModule)
        model = pl_module.model.eval()
        ranks = self.ranker.rank_all_candidates(model)
        model.train()
        self.points.append([float(METRICS[metric](ranks, CUTOFF).mean()) for metric in ("hr", "ndcg")])

    @override
    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch > 0:
            self._record_loss(pl_module)

    @override
    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch > 0:
            self._record_loss(pl_module)

    def _record_loss(self, module: pl.LightningModule) -> None:
        assert isinstance(module, NCFModule)
        self.losses.append(module.epoch_loss)


def train_final(spec: Spec, data: PreparedData, folder: Path, curve: TestCurve | None = None) -> Model:
    """Run a final training; the weights of GMF and MLP are cached, since other models are made of them.

    With a curve the model is always trained, otherwise only if its weights are not cached.
    """
    recipe, part = _recipe(spec["model"], spec["recipe"]), spec["model"] in ("gmf", "mlp")
    entry = folder / "weights" / f"{spec['model']}-{content_key(spec, data.fingerprint, __version__)}.safetensors"
    entry.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{entry}.lock"):
        if part and entry.exists() and curve is None:
            model = build_model(recipe.model, data.num_users, data.num_items, 0)  # type: ignore[union-attr]
            model.load_state_dict(load_file(entry))
            return model.eval()
        parts = [train_final(each, data, folder) for each in spec["parts"] or ()]
        training = fit(
            _initial(recipe, parts, data, spec["seed"]),
            data,
            recipe.training,
            seed=spec["seed"],
            hardware=ONE_THREAD,
            callbacks=[curve] if curve else [],
            epochs=spec["epochs"],
        )
        if part:
            with new_file(entry) as file:
                save_file({name: value.contiguous() for name, value in training.model.state_dict().items()}, file)
    return training.model


def test_metrics(ranks: Ranks) -> dict[str, float | list[float]]:
    """HR at 1 to 10 and NDCG@10 by the sampled protocol; HR@10 and NDCG@10 by full ranking."""
    figures: dict[str, float | list[float]] = {
        key: mean_with_interval(values).value for key, values in ranks.values().items()
    }
    return {**figures, "hr_by_length": [float(np.mean(ranks.sampled <= k)) for k in HR_LENGTHS]}


def _recipe(model: Any, values: Any) -> Recipe:
    return RECIPES[model].model_validate(values)


def _initial(recipe: Recipe, parts: Sequence[Model], data: PreparedData, seed: int) -> Model:
    if isinstance(recipe, PretrainedRecipe):
        gmf, mlp = parts
        assert isinstance(gmf, GMF)
        assert isinstance(mlp, MLP)
        return NeuMF.from_pretrained(gmf, mlp, recipe.alpha)
    return build_model(recipe.model, data.num_users, data.num_items, seed)


def _plain(values: Any) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
