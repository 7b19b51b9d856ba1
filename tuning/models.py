"""The model that a trial, or a confirmation, starts from."""

from typing import TypeAlias

from ncf.config import PretrainedRecipe
from ncf.models.build import Model, build_model
from ncf.models.gmf import GMF
from ncf.models.mlp import MLP
from ncf.models.neumf import NeuMF
from tuning.observer import Recipe
from tuning.parts import trained_part
from tuning.problem import Problem

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
