"""The parts of a pretrained NeuMF, GMF and MLP: trained once, then read from a cache."""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ncf import __version__
from ncf.config import GMFRecipe, MLPRecipe, PretrainedRecipe, Recipe, content_key
from ncf.data.prepared import PreparedData
from ncf.files import cache_dir, check_sums, new_folder, read_json, write_json, write_sums
from ncf.hardware import HardwareConfig
from ncf.models.build import Model, build_model
from ncf.models.gmf import GMF
from ncf.models.mlp import MLP
from ncf.models.neumf import NeuMF
from ncf.training.fit import Training, fit
from tuning.problem import Problem

logger = logging.getLogger(__name__)

WEIGHTS, ABOUT = "weights.safetensors", "part.json"


@dataclass(frozen=True)
class Part(Training):
    """A trained part.

    Attributes:
        trained: whether it was trained now; else it comes from the cache.
    """

    trained: bool


def trained_part(
    recipe: GMFRecipe | MLPRecipe,
    data: PreparedData,
    seed: int,
    hardware: HardwareConfig | None = None,
    folder: Path | None = None,
) -> Part:
    """The part with these settings, from the cache or trained now. Of two processes, one trains and the other waits.

    An interrupted training resumes from its last epoch; a damaged entry of the cache is trained again. The cache is the
    folder, or else `parts` in ncf's cache.

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
    """Key in the cache, from settings, data, seed and version of ncf; hardware only affects rounding."""
    key = content_key(recipe.model_dump(mode="json"), seed, data.fingerprint, __version__)
    return f"{recipe.model.kind}-{key}"


def _train(
    recipe: GMFRecipe | MLPRecipe, data: PreparedData, seed: int, hardware: HardwareConfig | None, checkpoints: Path
) -> Part:
    model = build_model(recipe.model, data.num_users, data.num_items, seed)
    title = f"{recipe.model.kind} (part)"
    done = fit(model, data, recipe.training, seed=seed, title=title, hardware=hardware, checkpoint_folder=checkpoints)
    return Part(**vars(done), trained=True)


def _write(entry: Path, part: Part) -> None:
    with new_folder(entry) as new:
        save_file({name: value.contiguous() for name, value in part.model.state_dict().items()}, new / WEIGHTS)
        about = {
            "score": part.best_validation,
            "epochs": part.epochs,
            "best_epoch": part.best_epoch,
            "seconds": part.seconds,
        }
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
        return Part(model.eval(), best_validation=about.pop("score"), **about, trained=False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        logger.warning("the cached part %s is damaged (%s) and is trained again", entry, str(error)[:200])
        return None


Parts: TypeAlias = tuple[GMF, MLP]


def trained_parts(problem: Problem, seed: int) -> Parts | None:
    """The parts of neumf-pretrained, from the cache or trained now; None for other models."""
    if problem.parts is None:
        return None
    gmf, mlp = (trained_part(recipe, problem.data, seed, problem.hardware).model for recipe in problem.parts)
    assert isinstance(gmf, GMF)
    assert isinstance(mlp, MLP)
    return gmf, mlp


def initial_model(problem: Problem, recipe: Recipe, seed: int, parts: Parts | None) -> Model:
    """The recipe's model with its initial weights; the parts are copied."""
    if isinstance(recipe, PretrainedRecipe):
        assert parts is not None
        return NeuMF.from_pretrained(*parts, recipe.alpha)
    return build_model(recipe.model, problem.data.num_users, problem.data.num_items, seed)
