"""GMF and MLP for NeuMF from pretrained parts: trained once, then taken from a cache."""

from dataclasses import dataclass
from pathlib import Path

from ncf.config import GMFRecipe, MLPRecipe
from ncf.data.prepared import PreparedData
from ncf.hardware import HardwareConfig
from ncf.models.gmf import GMF
from ncf.models.mlp import MLP


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

    Args:
        recipe: shape and training.
        data: the prepared data set.
        seed: of the training.
        hardware: where to compute.
        folder: of the cache; None: `parts` in ncf's cache.

    Raises:
        ConfigError, ModelError: as `ncf.training.fit.fit`.
    """
    raise NotImplementedError
