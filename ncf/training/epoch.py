"""From the settings to what an epoch is made of."""

from typing import TypeAlias

import torch

from ncf.config import TrainingConfig
from ncf.data.prepared import PreparedData
from ncf.training.all_pairs import AllPairsBatches
from ncf.training.batches import TrainingBatches

Batches: TypeAlias = TrainingBatches | AllPairsBatches


def make_batches(
    data: PreparedData,
    config: TrainingConfig,
    seed: int,
    device: torch.device | str = "cpu",
    *,
    rank: int = 0,
    world_size: int = 1,
    native_threads: int | None = None,
) -> Batches:
    """Samples, drawn evenly or by popularity, or all pairs; the arguments are those of the two classes.

    Raises:
        DataError: every user has every item, so that there is nothing to tell the positives from.
    """
    size, negatives = config.batch_size, config.num_negatives
    if config.negatives == "all":
        weight = config.unobserved_weight
        return AllPairsBatches(data, size, negatives, weight, seed, device, rank=rank, world_size=world_size)
    beta = config.negatives_beta if config.negatives == "popularity" else None
    return TrainingBatches(
        data,
        size,
        negatives,
        seed,
        device,
        beta=beta,
        rank=rank,
        world_size=world_size,
        native_threads=native_threads,
    )
