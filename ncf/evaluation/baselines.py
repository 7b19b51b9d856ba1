"""Baselines, which go through the same evaluation as the models.

All of them use only observed pairs: of explicit feedback they see who rated what, not the ratings.
"""

from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack
from torch import Tensor

from ncf.config import RecencyConfig
from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError
from ncf.evaluation.config import EASE_L2, NEIGHBOURS, SHRINKAGE
from ncf.evaluation.ranking import SCORING_MEMORY_MB, top_items, users_at_once

NO_RECENCY = RecencyConfig()
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
        recency: how much older interactions count, in the similarities and in the sums.
        memory_mb: memory for the similarities that are computed at once, in MB.
    """

    def __init__(
        self,
        data: PreparedData,
        *,
        neighbours: int = NEIGHBOURS,
        shrinkage: float = SHRINKAGE,
        recency: RecencyConfig = NO_RECENCY,
        memory_mb: int = SCORING_MEMORY_MB,
    ) -> None:
        self.seen = train_matrix(data, recency)
        self.nearest = nearest_items(self.seen, neighbours, shrinkage, memory_mb).T.tocsr()

    def score_all(self, users: Tensor) -> Tensor:
        """Users int64[B] -> float[B, num_items]."""
        scores = self.seen[users.cpu().numpy()] @ self.nearest
        return torch.from_numpy(scores.toarray()).to(users.device)


class EASE:
    """Embarrassingly shallow autoencoder (Steck, WWW 2019): a weight from each item to each other, in closed form.

    With P = (X^T X + l2 I)^-1 the weights are B = I - P / diag(P), and the scores X B. It needs about 24 bytes for each
    pair of items while it is fitted.

    Args:
        data: the prepared data set.
        l2: weight of the weights' squared length.
        recency: how much older interactions count; X has their weights.
    """

    def __init__(self, data: PreparedData, *, l2: float = EASE_L2, recency: RecencyConfig = NO_RECENCY) -> None:
        self.seen = train_matrix(data, recency)
        gram = (self.seen.T @ self.seen).toarray().astype(np.float64)
        gram[np.diag_indices_from(gram)] += l2
        inverse = np.linalg.inv(gram)
        weights: NDArray[Any] = inverse / -np.diag(inverse)
        np.fill_diagonal(weights, 0.0)
        self.weights = weights.astype(np.float32)

    def score_all(self, users: Tensor) -> Tensor:
        """Users int64[B] -> float[B, num_items]."""
        return torch.from_numpy(self.seen[users.cpu().numpy()] @ self.weights).to(users.device)


class IALS:
    """Matrix factorisation by alternating least squares over all unobserved pairs (Hu, Koren, Volinsky 2008).

    Args:
        data: the prepared data set.
        factors: length of the user and item vectors.
        regularization: weight of the factors' squared length.
        alpha: weight of an observed pair; an unobserved one has 1.
        iterations: passes over users and items.
        recency: how much older interactions weigh, relative to alpha.
        seed: seed of the initial factors; on one thread the same seed gives the same factors.

    Raises:
        ConfigError: the package `implicit` is missing or broken.
    """

    def __init__(
        self,
        data: PreparedData,
        *,
        factors: int,
        regularization: float,
        alpha: float,
        iterations: int,
        seed: int,
        recency: RecencyConfig = NO_RECENCY,
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
            model.fit(train_matrix(data, recency), show_progress=False)
        self.users = torch.from_numpy(model.user_factors)
        self.items = torch.from_numpy(model.item_factors)

    def score_all(self, users: Tensor) -> Tensor:
        """Users int64[B] -> float[B, num_items]."""
        return self.users.to(users.device)[users] @ self.items.to(users.device).T


def can_ials() -> bool:
    """Whether `implicit`, the optional package behind `IALS`, is installed."""
    return find_spec("implicit") is not None


def train_matrix(data: PreparedData, recency: RecencyConfig = NO_RECENCY) -> Any:
    """Sparse float32[num_users, num_items]: 1, or a weight by recency, where the user has the item in train."""
    weights = data.recency_weights(recency)
    matrix = csr_matrix((weights, (data.train.users, data.train.items)), shape=(data.num_users, data.num_items))
    matrix.data = np.minimum(matrix.data, np.float32(1))  # a pair that occurs twice was summed
    return matrix


def nearest_items(seen: Any, neighbours: int, shrinkage: float, memory_mb: int = SCORING_MEMORY_MB) -> Any:
    """Cosine similarity of each item to its nearest neighbours, over users.

    similarity(i, j) = common(i, j) / (sqrt(users(i) * users(j)) + shrinkage): two items with few users in common are
    similar by chance, and the shrinkage reduces their similarity. A user counts by the weight of the item squared, and
    as a common one by the product of both weights.

    Args:
        seen: sparse [num_users, num_items], weights up to 1.
        neighbours: kept per item; ties are broken by the catalogue's order. An item is not its own neighbour.
        shrinkage: 0 for the plain cosine.
        memory_mb: memory for the similarities that are computed at once, in MB.

    Returns:
        Sparse float32[num_items, num_items]; row i has the similarities of i's neighbours.
    """
    num_items = seen.shape[1]
    by_item, lengths = seen.T.tocsr(), np.sqrt(np.asarray(seen.power(2).sum(axis=0), dtype=np.float32).ravel())
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
