"""Everything needed to recommend, as a folder without pickle: weights, ids, seen items, popularity, settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ncf.config import ModelConfig
from ncf.data.columns import ITEM_ID, TITLE, USER_ID, Ids, Indices
from ncf.data.history import History
from ncf.data.ids import decode_ids, encode_ids, kind_of
from ncf.data.prepared import PreparedData
from ncf.errors import ModelError
from ncf.files import check_sums, new_folder, read_json, write_json, write_sums
from ncf.models.build import Model, build_model
from ncf.sampling.rows import PairRows

FORMAT, WITHOUT_HISTORY = 5, 4  # a champion of the previous format can still serve
HEADER, USERS, ITEMS, SEEN_ITEMS, WEIGHTS, DAYS = FILES = (
    "bundle.json",
    "users.parquet",
    "items.parquet",
    "seen.parquet",
    "weights.safetensors",
    "days.parquet",
)
COUNT, SEEN, LEARNED, ITEM = "count", "seen", "learned", "item"
LAST_TIME = "last_time"


@dataclass(frozen=True)
class Bundle:
    """A trained model and everything that is needed to use it.

    Attributes:
        model: on the CPU, in evaluation mode.
        config: the model's shape.
        user_ids, item_ids: ids of the log; position = index.
        titles: str[num_items], empty where unknown.
        seen: every known item of each user, of all splits; not recommended.
        learned: bool[num_users], whether a user has an interaction in train; the model knows nothing about the others.
        item_counts: int64[num_items], train interactions: the popularity by which unknown users are answered.
        history: times of its data; a monitor compares newer data with it.
        about: facts for the reader, such as the data's name and fingerprint; JSON values.
    """

    model: Model
    config: ModelConfig
    user_ids: Ids
    item_ids: Ids
    titles: NDArray[Any]
    seen: PairRows
    learned: NDArray[np.bool_]
    item_counts: Indices
    history: History
    about: dict[str, Any]

    @classmethod
    def of(cls, model: Model, config: ModelConfig, data: PreparedData, **about: Any) -> "Bundle":
        """Bundle a model with the data it was trained on."""
        facts = {"dataset": data.name, "fingerprint": data.fingerprint, **about}
        seen = PairRows.of([data.train, data.validation.pairs, data.test.pairs, data.other], data.num_users)
        every, counts = np.bincount(data.everything.items, minlength=data.num_items), data.item_counts
        history = data.history or History.timeless(every)
        known = (data.user_ids, data.item_ids, data.titles, seen, data.user_counts > 0, counts, history)
        return cls(model, config, *known, facts)

    def save(self, folder: str | Path) -> None:
        """Write the bundle, whole or not at all; an older bundle in the folder is replaced."""
        with new_folder(Path(folder)) as new:
            save_file({name: value.contiguous() for name, value in self.model.state_dict().items()}, new / WEIGHTS)
            users = {USER_ID: encode_ids(self.user_ids), SEEN: self.seen.counts.numpy(), LEARNED: self.learned}
            pd.DataFrame(users).to_parquet(new / USERS)
            items = {ITEM_ID: encode_ids(self.item_ids), TITLE: self.titles, COUNT: self.item_counts}
            pd.DataFrame(items | self.history.item_columns()).to_parquet(new / ITEMS)
            self.history.by_day.frame().to_parquet(new / DAYS)
            pd.DataFrame({ITEM: self.seen.items.numpy()}).to_parquet(new / SEEN_ITEMS)  # one user after the other
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
        if header["format"] not in (FORMAT, WITHOUT_HISTORY):
            raise ModelError(
                f"{folder} has another bundle format",
                got=header["format"],
                allowed=f"{FORMAT}, or {WITHOUT_HISTORY}",
                do="train again, or use the version of ncf that wrote it",
            )
        has_history = header["format"] == FORMAT
        check_sums(folder, FILES if has_history else FILES[:-1])
        config: ModelConfig = TypeAdapter(ModelConfig).validate_python(header["model"])
        users, items = pd.read_parquet(folder / USERS), pd.read_parquet(folder / ITEMS)
        model = build_model(config, len(users), len(items), seed=0)
        model.load_state_dict(load_file(folder / WEIGHTS))
        counts = items[COUNT].to_numpy(np.int64, copy=True)
        days = pd.read_parquet(folder / DAYS) if has_history else None
        return cls(
            model.eval(),
            config,
            decode_ids(users[USER_ID], header[USER_ID]),
            decode_ids(items[ITEM_ID], header[ITEM_ID]),
            items[TITLE].to_numpy(dtype=object),
            _seen(users[SEEN].to_numpy(np.int64, copy=True), folder / SEEN_ITEMS, len(items)),
            users[LEARNED].to_numpy(bool, copy=True),
            counts,
            History.timeless(counts) if days is None else History.of_frames(items, days, header[LAST_TIME]),
            header["about"],
        )


def _seen(counts: Indices, file: Path, num_items: int) -> PairRows:
    """Read the users' items.

    Raises:
        ValueError: they do not fit the counts or the catalogue.
    """
    items = pd.read_parquet(file)[ITEM].to_numpy(np.int32, copy=True)
    if (counts < 0).any() or counts.sum() != len(items):
        expected = f"the users have {counts.sum()}, the least of them {counts.min()}"
        raise ValueError(f"{file.name} has {len(items)} items; {expected}")
    if len(items) and not 0 <= items.min() <= items.max() < num_items:
        raise ValueError(f"a seen item is {items.min()} or {items.max()}, of {num_items}")
    return PairRows.of_counts(torch.from_numpy(counts), torch.from_numpy(items))
