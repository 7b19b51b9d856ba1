"""Baselines, which go through the same evaluation as the models.

All of them use only observed pairs: of explicit feedback they see who rated what, not the ratings.
"""

from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix, vstack
from torch import Tensor

from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError
from ncf.evaluation.config import NEIGHBOURS, SHRINKAGE
from ncf.evaluation.ranking import SCORING_MEMORY_MB, top_items, users_at_once

GET_IMPLICIT = ".venv/bin/pip install -c constraints.txt -e '.[als]'"


class Popularity:
    """The same scores for everyone: each item's number of train interactions."""

    def __init__(self, data: PreparedData) -> None:
        self.scores = torch.as_tensor(data.item_counts, dtype=torch.float32)

    def score_all(self, users: Tensor) -> Tensor:
        """Users int64[B] -> float[B, num_items]."""
        return self.scores.to(users.device).repeat(len(users), 1)


class ItemKNN:
    """Item-based nearest neighbours: an item's score is its summed similarity to the user's train items.

    Args:
        data: the prepared data set.
        neighbours: most similar items kept for each item.
        shrinkage: see `nearest_items`.
        memory_mb: memory for the similarities that are computed at once, in MB.
    """

    def __init__(
        self,
        data: PreparedData,
        *,
        neighbours: int = NEIGHBOURS,
        shrinkage: float = SHRINKAGE,
        memory_mb: int = SCORING_MEMORY_MB,
    ) -> None:
        self.seen = train_matrix(data)
        self.nearest = nearest_items(self.seen, neighbours, shrinkage, memory_mb).T.tocsr()

    def score_all(self, users: Tensor) -> Tensor:
        """Users int64[B] -> float[B, num_items]."""
        scores = self.seen[users.cpu().numpy()] @ self.nearest
        return torch.from_numpy(scores.toarray()).to(users.device)


class IALS:
    """Matrix factorisation by alternating least squares over all unobserved pairs (Hu, Koren, Volinsky 2008).

    Args:
        data: the prepared data set.
        factors: length of the user and item vectors.
        regularization: weight of the factors' squared length.
        alpha: weight of an observed pair; an unobserved one has 1.
        iterations: passes over users and items.
        seed: seed of the initial factors; on one thread the same seed gives the same factors.

    Raises:
        ConfigError: the package `implicit` is missing or broken.
    """

    def __init__(
        self, data: PreparedData, *, factors: int, regularization: float, alpha: float, iterations: int, seed: int
    ) -> None:
        try:
            from implicit.cpu.als import AlternatingLeastSquares
            from threadpoolctl import threadpool_limits
        except ImportError as error:
            raise ConfigError(
                "iALS needs the package implicit, which can't be imported",
                got=str(error),
                do=f"{GET_IMPLICIT}, or turn it off: --no-baselines.ials.enabled",
            ) from error
        with threadpool_limits(1, "blas"):  # implicit runs threads of its own, which BLAS's threads would slow down
            model = AlternatingLeastSquares(
                factors=factors,
                regularization=regularization,
                alpha=alpha,
                iterations=iterations,
                num_threads=1,
                random_state=seed,
            )
            model.fit(train_matrix(data), show_progress=False)
        self.users = torch.from_numpy(model.user_factors)
        self.items = torch.from_numpy(model.item_factors)

    def score_all(self, users: Tensor) -> Tensor:
        """Users int64[B] -> float[B, num_items]."""
        return self.users.to(users.device)[users] @ self.items.to(users.device).T


def can_ials() -> bool:
    """Whether `implicit`, the optional package behind `IALS`, is installed."""
    return find_spec("implicit") is not None


def train_matrix(data: PreparedData) -> Any:
    """Sparse float32[num_users, num_items]: 1 where the user has the item in train."""
    ones = np.ones(len(data.train), dtype=np.float32)
    matrix = csr_matrix((ones, (data.train.users, data.train.items)), shape=(data.num_users, data.num_items))
    matrix.data[:] = 1  # a pair that occurs twice was summed
    return matrix


def nearest_items(seen: Any, neighbours: int, shrinkage: float, memory_mb: int = SCORING_MEMORY_MB) -> Any:
    """Cosine similarity of each item to its nearest neighbours, over users.

    similarity(i, j) = common(i, j) / (sqrt(users(i) * users(j)) + shrinkage): two items with few users in common are
    similar by chance, and the shrinkage reduces their similarity.

    Args:
        seen: sparse 0/1 [num_users, num_items].
        neighbours: kept per item; ties are broken by the catalogue's order. An item is not its own neighbour.
        shrinkage: 0 for the plain cosine.
        memory_mb: memory for the similarities that are computed at once, in MB.

    Returns:
        Sparse float32[num_items, num_items]; row i has the similarities of i's neighbours.
    """
    num_items = seen.shape[1]
    by_item, lengths = seen.T.tocsr(), np.sqrt(np.asarray(seen.sum(axis=0), dtype=np.float32).ravel())
    blocks = []
    for start in range(0, num_items, rows_at_once := users_at_once(memory_mb, num_items)):
        items = np.arange(start, min(start + rows_at_once, num_items))
        common = (by_item[items] @ seen).toarray()
        similar = common / np.maximum(np.outer(lengths[items], lengths) + np.float32(shrinkage), 1e-12)
        similar[np.arange(len(items)), items] = 0
        blocks.append(_largest(similar, neighbours))
    return vstack(blocks).tocsr()


def _largest(similar: Any, neighbours: int) -> Any:
    """The largest entries of each row, as a sparse matrix."""
    columns = top_items(torch.from_numpy(similar), neighbours).numpy()
    rows = np.repeat(np.arange(len(similar)), columns.shape[1])
    kept = csr_matrix((similar[rows, columns.ravel()], (rows, columns.ravel())), shape=similar.shape)
    kept.eliminate_zeros()
    return kept
