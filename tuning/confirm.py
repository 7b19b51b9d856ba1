"""Is the winner of a search really better? It is trained again with other seeds, beside the base settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytorch_lightning.loggers import Logger

from ncf.evaluation.metrics import Mean, Values
from tuning.observer import Recipe
from tuning.problem import Problem


@dataclass(frozen=True)
class Confirmed:
    """One training of a confirmation.

    Attributes:
        seed: of the training.
        values: validation NDCG@10, one value a user: float64[U], in the holdout's order.
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
    """The winner beside the base settings.

    Attributes:
        winner, base: validation NDCG@10, mean over seeds and users, with its 95 % interval over users.
        gain: winner - base, paired over users, with its 95 % interval.
        believed: the mean gain is above 0.
        seeds: of the trainings.
        winner_scores, base_scores: mean over the users, by seed.
    """

    winner: Mean
    base: Mean
    gain: Mean
    believed: bool
    seeds: tuple[int, ...]
    winner_scores: tuple[float, ...]
    base_scores: tuple[float, ...]


def confirmation_seeds(problem: Problem, number: int = 3) -> tuple[int, ...]:
    """Seeds other than that of the search."""
    return tuple((problem.seed + place) % 2**31 for place in range(1, number + 1))


def confirm_one(
    problem: Problem,
    recipe: Recipe,
    seed: int,
    *,
    loggers: Sequence[Logger] = (),
    checkpoint_folder: Path | None = None,
    title: str = "confirmation",
) -> Confirmed:
    """Train one recipe with one seed; the parts of neumf-pretrained have that seed too, and come from their cache.

    Args:
        problem: the search; its data, hardware and parts are used.
        recipe: the winner's, or the problem's own.
        seed: of the training.
        loggers: as in `ncf.training.fit.fit`.
        checkpoint_folder: as there; with it, an interrupted training goes on.
        title: of the progress bar.
    """
    raise NotImplementedError


def conclude(winner: Sequence[Confirmed], base: Sequence[Confirmed]) -> Confirmation:
    """Compare the two, mean over seeds, paired over users.

    Raises:
        ModelError: they are of other seeds or other numbers of users.
    """
    raise NotImplementedError
