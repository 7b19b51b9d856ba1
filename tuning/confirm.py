"""Confirmation of a search: the winner and the base settings are trained again with other seeds, and compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pytorch_lightning.loggers import Logger

from ncf.config import Recipe
from ncf.errors import ModelError
from ncf.evaluation.comparison import paired_difference
from ncf.evaluation.metrics import Mean, Values, mean_with_interval
from ncf.evaluation.ranking import HoldoutRanker
from ncf.hardware import torch_threads
from ncf.training.fit import fit
from ncf.training.module import monitored
from tuning.parts import initial_model, trained_parts
from tuning.problem import Problem


@dataclass(frozen=True)
class Confirmed:
    """One training of the confirmation.

    Attributes:
        seed: of the training.
        values: validation NDCG@10 per user, float64[U], in the order of the holdout.
        score: their mean.
        epochs, best_epoch, seconds: of the training.
    """

    seed: int
    values: Values
    score: float
    epochs: int
    best_epoch: int
    seconds: float


@dataclass(frozen=True)
class Confirmation:
    """The winner compared with the base settings.

    Attributes:
        winner, base: validation NDCG@10, mean over seeds and users, with its 95 % interval over users.
        gain: winner - base, paired over users, with its 95 % interval.
        believed: whether the mean gain is above 0.
        seeds: of the trainings.
        winner_scores, base_scores: means over the users, by seed.
    """

    winner: Mean
    base: Mean
    gain: Mean
    believed: bool
    seeds: tuple[int, ...]
    winner_scores: tuple[float, ...]
    base_scores: tuple[float, ...]


def confirmation_seeds(problem: Problem, number: int = 3) -> tuple[int, ...]:
    """Seeds that differ from that of the search."""
    return tuple((problem.seed + offset) % 2**31 for offset in range(1, number + 1))


def confirm_one(
    problem: Problem,
    recipe: Recipe,
    seed: int,
    *,
    loggers: Sequence[Logger] = (),
    checkpoint_folder: Path | None = None,
    title: str = "confirmation",
) -> Confirmed:
    """Train one recipe with one seed; the parts of neumf-pretrained have the same seed, and come from the cache.

    An interrupted training resumes from the checkpoint folder.

    Raises:
        ConfigError, ModelError: as `ncf.training.fit.fit`.
    """
    model = initial_model(problem, recipe, seed, trained_parts(problem, seed))
    training = fit(
        model,
        problem.data,
        recipe.training,
        seed=seed,
        title=title,
        hardware=problem.hardware,
        loggers=loggers,
        checkpoint_folder=checkpoint_folder,
    )
    ranker = HoldoutRanker(problem.data, "validation", memory_mb=problem.hardware.scoring_memory_mb)
    with torch_threads(problem.hardware.scoring_threads):
        measured = ranker.rank_all(training.model).values()
    values = measured[monitored(recipe.training).removeprefix("validation/")]
    return Confirmed(seed, values, float(values.mean()), training.epochs, training.best_epoch, training.seconds)


def compare_with_base(winner: Sequence[Confirmed], base: Sequence[Confirmed]) -> Confirmation:
    """Compare the two: means over the seeds, paired over the users.

    Raises:
        ModelError: there are no trainings, or they have different seeds or numbers of users.
    """
    shapes = [sorted((one.seed, len(one.values)) for one in side) for side in (winner, base)]
    if not winner or shapes[0] != shapes[1]:
        raise ModelError(
            "the winner and the base settings can't be compared; their (seed, users)",
            got=shapes,
            allowed="the same for both, at least one",
            do="train both with every seed, on the same data",
        )
    ours, theirs = (np.mean([one.values for one in side], axis=0) for side in (winner, base))
    gain = paired_difference(ours, theirs)
    by_seed = [sorted(side, key=lambda one: one.seed) for side in (winner, base)]
    return Confirmation(
        winner=mean_with_interval(ours),
        base=mean_with_interval(theirs),
        gain=gain,
        believed=gain.value > 0,
        seeds=tuple(one.seed for one in by_seed[0]),
        winner_scores=tuple(one.score for one in by_seed[0]),
        base_scores=tuple(one.score for one in by_seed[1]),
    )
