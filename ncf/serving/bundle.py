"""Everything needed to recommend, as a folder without pickle: weights, ids, popularity, settings, and the log."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ncf.config import ModelConfig
from ncf.data import ITEM_ID, TITLE, USER_ID, Ids, Indices
from ncf.data.history import History
from ncf.data.ids import KnownIds, decode_ids, encode_ids, kind_of
from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError, ModelError
from ncf.files import check_sums, new_folder, read_json, write_json, write_sums
from ncf.models.build import ITEM_TABLE, Model, build_model
from ncf.sampling.sampler import PairRows
from ncf.serving import log as serving_log
from ncf.serving.log import ServingLog

FORMAT = 6
HEADER, USERS, ITEMS, WEIGHTS, DAYS = (
    "bundle.json",
    "users.parquet",
    "items.parquet",
    "weights.safetensors",
    "days.parquet",
)
LOG = "log"
FILES = (HEADER, USERS, ITEMS, WEIGHTS, DAYS, *(f"{LOG}/{name}" for name in serving_log.FILES))
COUNT, LEARNED = "count", "learned"
LAST_TIME = "last_time"
SIMILARITY = "similarity"


@dataclass(frozen=True)
class Bundle:
    """A trained model and everything that is needed to use it.

    Attributes:
        model: on the CPU, in evaluation mode.
        config: the model's shape.
        user_ids, item_ids: ids that the model knows; position = index.
        learned: bool[num_users], whether a user has an interaction in train; the model knows nothing about the others.
        item_counts: int64[num_items], train interactions: the popularity by which unknown users are answered.
        history: times of its data; a monitor compares newer data with it.
        log: of its data; who serves the model may have a newer one.
        about: facts for the reader, such as the data's name and fingerprint; JSON values.
    """

    model: Model
    config: ModelConfig
    user_ids: Ids
    item_ids: Ids
    learned: NDArray[np.bool_]
    item_counts: Indices
    history: History
    log: ServingLog
    about: dict[str, Any]

    @classmethod
    def of(cls, model: Model, config: ModelConfig, data: PreparedData, **about: Any) -> "Bundle":
        """Bundle a model with the data it was trained on."""
        facts = {"dataset": data.name, "fingerprint": data.fingerprint, **about}
        history = data.history or History.timeless(np.bincount(data.everything.items, minlength=data.num_items))
        known = (data.user_ids, data.item_ids, data.user_counts > 0, data.item_counts)
        return cls(model, config, *known, history, ServingLog.of(data), facts)

    @property
    def titles(self) -> NDArray[Any]:
        """str[num_items], empty where unknown."""
        return self.log.titles[: len(self.item_ids)]

    @cached_property
    def seen(self) -> PairRows:
        """The interactions of its data, of all splits."""
        return self.log.interactions

    def save(self, folder: str | Path) -> None:
        """Write the bundle, whole or not at all; an older bundle in the folder is replaced."""
        with new_folder(Path(folder)) as new:
            save_file({name: value.contiguous() for name, value in self.model.state_dict().items()}, new / WEIGHTS)
            pd.DataFrame({USER_ID: encode_ids(self.user_ids), LEARNED: self.learned}).to_parquet(new / USERS)
            items = {ITEM_ID: encode_ids(self.item_ids), COUNT: self.item_counts}
            pd.DataFrame(items | self.history.item_columns()).to_parquet(new / ITEMS)
            self.history.by_day.frame().to_parquet(new / DAYS)
            self.log.save(new / LOG)
            kinds = {USER_ID: kind_of(self.user_ids), ITEM_ID: kind_of(self.item_ids)}
            header = {"format": FORMAT, "model": self.config.model_dump(mode="json"), "about": self.about}
            write_json(new / HEADER, header | kinds | {LAST_TIME: self.history.last_time})
            write_sums(new)

    @classmethod
    def load(cls, folder: str | Path) -> "Bundle":
        """Read a bundle.

        Raises:
            ModelError: a file is missing, was changed (by SHA256SUMS) or does not fit the others, or the bundle has
                another format.
        """
        folder = Path(folder)
        try:
            return cls._read(folder)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise ModelError(
                f"{folder} is not a usable bundle", got=str(error), do="restore it from a backup or train again"
            ) from error

    @classmethod
    def _read(cls, folder: Path) -> "Bundle":
        header = read_json(folder / HEADER)
        if header["format"] != FORMAT:
            raise ModelError(
                f"{folder} has another bundle format",
                got=header["format"],
                allowed=str(FORMAT),
                do="train again, or use the version of ncf that wrote it",
            )
        check_sums(folder, FILES)
        config: ModelConfig = TypeAdapter(ModelConfig).validate_python(header["model"])
        users, items = pd.read_parquet(folder / USERS), pd.read_parquet(folder / ITEMS)
        model = build_model(config, len(users), len(items), seed=0)
        model.load_state_dict(load_file(folder / WEIGHTS))
        log = ServingLog.load(folder / LOG)
        if (log.num_users, log.num_items) != (len(users), len(items)):
            raise ValueError(f"{LOG} is of {log.num_users} users and {log.num_items} items")
        return cls(
            model.eval(),
            config,
            decode_ids(users[USER_ID], header[USER_ID]),
            decode_ids(items[ITEM_ID], header[ITEM_ID]),
            users[LEARNED].to_numpy(bool, copy=True),
            items[COUNT].to_numpy(np.int64, copy=True),
            History.of_frames(items, pd.read_parquet(folder / DAYS), header[LAST_TIME]),
            log,
            header["about"],
        )


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
