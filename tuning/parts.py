"""GMF and MLP for NeuMF from pretrained parts: trained once, then taken from a cache."""

import logging
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ncf import __version__
from ncf.config import GMFRecipe, MLPRecipe, PretrainedRecipe
from ncf.content import content_key
from ncf.data.prepared import PreparedData
from ncf.files import cache_dir, check_sums, new_folder, read_json, write_json, write_sums
from ncf.hardware import HardwareConfig
from ncf.models.build import Model, build_model
from ncf.models.gmf import GMF
from ncf.models.mlp import MLP
from ncf.models.neumf import NeuMF
from ncf.training.fit import fit
from tuning.observer import Recipe
from tuning.problem import Problem

logger = logging.getLogger(__name__)

WEIGHTS, ABOUT = "weights.safetensors", "part.json"


@dataclass(frozen=True)
class Part:
    """A trained part.

    Attributes:
        model: on the CPU, in evaluation mode.
        score: its best validation NDCG@10.
        epochs: epochs run.
        best_epoch: the one whose weights were kept.
        seconds: of its training.
        trained: whether it was trained now, not taken from the cache.
    """

    model: GMF | MLP
    score: float
    epochs: int
    best_epoch: int
    seconds: float
    trained: bool


def trained_part(
    recipe: GMFRecipe | MLPRecipe,
    data: PreparedData,
    seed: int,
    hardware: HardwareConfig | None = None,
    folder: Path | None = None,
) -> Part:
    """The part with these settings, from the cache or trained now. Of two processes one trains and the other waits.

    An interrupted training goes on from its last epoch; a damaged entry of the cache is trained again.

    Args:
        recipe: shape and training.
        data: the prepared data set.
        seed: of the training.
        hardware: where to compute.
        folder: of the cache; None: `parts` in ncf's cache.

    Raises:
        ConfigError, ModelError: as `ncf.training.fit.fit`.
    """
    folder = folder or cache_dir() / "parts"
    folder.mkdir(parents=True, exist_ok=True)
    entry = folder / part_key(recipe, data, seed)
    with FileLock(folder / f".{entry.name}.lock"):
        found = _read(entry, recipe, data)
        if found is not None:
            return found
        checkpoints = folder / f".{entry.name}.checkpoints"
        part = _train(recipe, data, seed, hardware, checkpoints)
        _write(entry, part)
        shutil.rmtree(checkpoints, ignore_errors=True)
    return part


def part_key(recipe: GMFRecipe | MLPRecipe, data: PreparedData, seed: int) -> str:
    """Equal settings, data, seed and version of ncf have the same key; hardware decides no more than rounding."""
    key = content_key(recipe.model_dump(mode="json"), seed, data.fingerprint, __version__)
    return f"{recipe.model.kind}-{key}"


def _train(
    recipe: GMFRecipe | MLPRecipe, data: PreparedData, seed: int, hardware: HardwareConfig | None, checkpoints: Path
) -> Part:
    model = build_model(recipe.model, data.num_users, data.num_items, seed)
    title = f"{recipe.model.kind} (part)"
    done = fit(model, data, recipe.training, seed=seed, title=title, hardware=hardware, checkpoint_folder=checkpoints)
    assert isinstance(done.model, GMF | MLP)
    return Part(done.model, done.best_validation, done.epochs, done.best_epoch, done.seconds, trained=True)


def _write(entry: Path, part: Part) -> None:
    with new_folder(entry) as new:
        save_file({name: value.contiguous() for name, value in part.model.state_dict().items()}, new / WEIGHTS)
        about = {"score": part.score, "epochs": part.epochs, "best_epoch": part.best_epoch, "seconds": part.seconds}
        write_json(new / ABOUT, about)
        write_sums(new)


def _read(entry: Path, recipe: GMFRecipe | MLPRecipe, data: PreparedData) -> Part | None:
    """The cached part; None if there is none, or it is damaged."""
    if not entry.exists():
        return None
    try:
        check_sums(entry, (ABOUT, WEIGHTS))
        about = read_json(entry / ABOUT)
        model = build_model(recipe.model, data.num_users, data.num_items, seed=0)
        model.load_state_dict(load_file(entry / WEIGHTS))
        assert isinstance(model, GMF | MLP)
        return replace(Part(model.eval(), 0.0, 0, 0, 0.0, trained=False), **about)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        logger.warning("the cached part %s is damaged (%s); it is trained again", entry, str(error)[:200])
        return None


Parts: TypeAlias = tuple[GMF, MLP]


def trained_parts(problem: Problem, seed: int) -> Parts | None:
    """What neumf-pretrained starts from, from the cache or trained now; None for the other models."""
    if problem.parts is None:
        return None
    gmf, mlp = (trained_part(recipe, problem.data, seed, problem.hardware).model for recipe in problem.parts)
    assert isinstance(gmf, GMF)
    assert isinstance(mlp, MLP)
    return gmf, mlp


def initial_model(problem: Problem, recipe: Recipe, seed: int, parts: Parts | None) -> Model:
    """A model of the recipe with its initial values; the parts are copied."""
    if isinstance(recipe, PretrainedRecipe):
        assert parts is not None
        return NeuMF.from_pretrained(*parts, recipe.alpha)
    return build_model(recipe.model, problem.data.num_users, problem.data.num_items, seed)
