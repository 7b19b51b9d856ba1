"""A bundle's items: found by title, and by what the model makes of them."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncf.data.columns import ITEM_ID, TITLE
from ncf.errors import ConfigError
from ncf.models.build import Model
from ncf.serving.bundle import COUNT, Bundle
from ncf.training.warm_start import ITEM_TABLE

SIMILARITY = "similarity"


class Catalogue:
    """The items of a bundle, to look around in.

    Args:
        bundle: a trained model with its ids and titles.

    Attributes:
        items: one row an item, in the model's order: item_id, title (str, empty where unknown), count (int64, train
            interactions).
        vectors: float32[num_items, D], what the model has learned of each item.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.items = pd.DataFrame({ITEM_ID: bundle.item_ids, TITLE: bundle.titles, COUNT: bundle.item_counts})
        self.vectors = item_vectors(bundle.model)

    def find(self, text: str) -> pd.DataFrame:
        """The items with this text in their titles, in capitals or small letters; the popular ones first.

        Returns:
            The rows of `items` that fit; none if no title does.
        """
        fits = self.items[TITLE].str.contains(text, case=False, regex=False)
        return self.items[fits].sort_values(COUNT, ascending=False, kind="stable").reset_index(drop=True)

    def similar(self, item_id: Any, k: int = 10) -> pd.DataFrame:
        """The items whose vectors point most nearly where this one's does.

        Args:
            item_id: outside id.
            k: items wanted, from 1; fewer where there are fewer.

        Returns:
            The nearest k rows of `items`, the nearest first, with similarity: the cosine, float32, -1 to 1.

        Raises:
            ConfigError: the model does not know the item, or k is not at least 1.
        """
        if k < 1:
            raise ConfigError("k is out of range", got=k, allowed="1 or more")
        [place] = pd.Index(self.items[ITEM_ID]).get_indexer(pd.Index([item_id]))
        if place < 0:
            raise ConfigError("the model does not know this item", got=item_id, do="look for one: find(text)")
        lengths = np.maximum(np.linalg.norm(self.vectors, axis=1), np.finfo(np.float32).tiny)
        cosines = self.vectors @ self.vectors[place] / (lengths * lengths[place])
        nearest = np.argsort(-cosines, kind="stable")
        nearest = nearest[nearest != place][:k]
        found: pd.DataFrame = self.items.iloc[nearest].reset_index(drop=True)
        return found.assign(**{SIMILARITY: cosines[nearest]})


def item_vectors(model: Model) -> NDArray[np.float32]:
    """A model's item embeddings, float32[num_items, D]; NeuMF's two tables stand side by side."""
    tables = [table for name, table in model.state_dict().items() if name.endswith(ITEM_TABLE)]
    return np.concatenate([table.cpu().numpy() for table in tables], axis=1)
