"""The items of a bundle: found by title, or by similarity of their vectors."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncf.data.columns import ITEM_ID, TITLE
from ncf.data.ids import KnownIds
from ncf.errors import ConfigError
from ncf.models.build import ITEM_TABLE, Model
from ncf.serving.bundle import COUNT, Bundle

SIMILARITY = "similarity"


class Catalogue:
    """The items of a bundle: titles, popularity and vectors.

    Args:
        bundle: a trained model with its ids and titles.

    Attributes:
        items: one row per item, in the model's order: item_id, title (str, empty where unknown), count (int64, train
            interactions).
        vectors: float32[num_items, D], what the model has learned of each item.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.items = pd.DataFrame({ITEM_ID: bundle.item_ids, TITLE: bundle.titles, COUNT: bundle.item_counts})
        self.vectors = item_vectors(bundle.model)

    def find(self, text: str) -> pd.DataFrame:
        """The items whose titles contain a text, ignoring case, the most popular first.

        Returns:
            The matching rows of `items`.
        """
        fits = self.items[TITLE].str.contains(text, case=False, regex=False)
        return self.items[fits].sort_values(COUNT, ascending=False, kind="stable").reset_index(drop=True)

    def similar(self, item_id: Any, k: int = 10) -> pd.DataFrame:
        """The items with the largest cosine similarity to an item's vector.

        Args:
            item_id: id of an item of the log.
            k: number of items, from 1; fewer if the catalogue has fewer.

        Returns:
            The k rows of `items`, the most similar first, with the column similarity: the cosine, float32, -1 to 1.

        Raises:
            ConfigError: the model does not know the item, or k is not at least 1.
        """
        if k < 1:
            raise ConfigError("k is out of range", got=k, allowed="1 or more")
        [index] = pd.Index(self.items[ITEM_ID]).get_indexer(pd.Index([item_id]))
        if index < 0:
            hints = KnownIds([item_id], self.items[ITEM_ID].to_numpy()).hints()
            do = f"take the nearest known id, {hints}, or find" if hints else "find"
            raise ConfigError("the model does not know this item", got=item_id, do=f"{do} one by its title: find(text)")
        lengths = np.maximum(np.linalg.norm(self.vectors, axis=1), np.finfo(np.float32).tiny)
        cosines = self.vectors @ self.vectors[index] / (lengths * lengths[index])
        nearest = np.argsort(-cosines, kind="stable")
        nearest = nearest[nearest != index][:k]
        found: pd.DataFrame = self.items.iloc[nearest].reset_index(drop=True)
        return found.assign(**{SIMILARITY: cosines[nearest]})


def item_vectors(model: Model) -> NDArray[np.float32]:
    """Item embeddings of a model, float32[num_items, D]; the two tables of NeuMF are concatenated."""
    tables = [table for name, table in model.state_dict().items() if name.endswith(ITEM_TABLE)]
    return np.concatenate([table.cpu().numpy() for table in tables], axis=1)
