"""A prepared data set as a folder: Parquet for tables, JSON for the rest. Written whole or not at all."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ncf.data import ITEM_ID, LIKED, TITLE, USER_ID
from ncf.data.history import EARLY, History
from ncf.data.ids import decode_ids, encode_ids, kind_of
from ncf.data.prepared import Holdout, PreparedData
from ncf.data.split import Pairs
from ncf.errors import DataError
from ncf.files import new_folder, read_json, write_json

FORMAT = 4
LABEL, HELD_OUT_LABELS = "label", "held_out_labels.parquet"


def save_prepared(data: PreparedData, folder: Path) -> None:
    """Write a prepared data set; an older one at the same place is replaced only when the new one is whole."""
    with new_folder(folder) as new:
        pd.DataFrame({USER_ID: encode_ids(data.user_ids)}).to_parquet(new / "users.parquet")
        items = pd.DataFrame({ITEM_ID: encode_ids(data.item_ids), TITLE: data.titles})
        if data.history is not None:
            items = items.assign(**data.history.item_columns())
            data.history.by_day.frame().to_parquet(new / "days.parquet")
        items.to_parquet(new / "items.parquet")
        train = _pairs_frame(data.train)
        (train if data.labels is None else train.assign(**{LABEL: data.labels})).to_parquet(new / "train.parquet")
        if data.held_out_labels is not None:
            pd.DataFrame({LABEL: data.held_out_labels}).to_parquet(new / HELD_OUT_LABELS)
        _pairs_frame(data.other).to_parquet(new / "other.parquet")
        left_out = {name: encode_ids(data.left_out[name].to_numpy()) for name in (USER_ID, ITEM_ID)}
        pd.DataFrame(left_out | {LIKED: data.left_out[LIKED].to_numpy()}).to_parquet(new / "left_out.parquet")
        for name, holdout in (("validation", data.validation), ("test", data.test)):
            pq.write_table(_holdout_table(holdout), new / f"{name}.parquet")
        write_json(
            new / "data.json",
            {
                "format": FORMAT,
                "name": data.name,
                "fingerprint": data.fingerprint,
                "last_time": data.history.last_time if data.history else None,
                USER_ID: kind_of(data.user_ids),
                ITEM_ID: kind_of(data.item_ids),
                "num_users": data.num_users,
                "num_items": data.num_items,
                "num_train": len(data.train),
                "num_validation": len(data.validation),
                "num_test": len(data.test),
                "num_candidates": data.test.candidates.shape[1],
            },
        )


def load_prepared(folder: Path) -> PreparedData:
    """Read a prepared data set and check it against its fingerprint.

    Raises:
        DataError: the folder is missing, of another format, or its content is not what was written.
    """
    again = f"remove {folder} and prepare the data again"
    try:
        about = read_json(folder / "data.json")
        expected = about["fingerprint"]
        if about["format"] != FORMAT:
            raise DataError(f"{folder} has another format", got=about["format"], allowed=str(FORMAT), do=again)
        items = pd.read_parquet(folder / "items.parquet")
        train, left_out = (pd.read_parquet(folder / name) for name in ("train.parquet", "left_out.parquet"))
        history = None
        if EARLY in items:
            history = History.of_frames(items, pd.read_parquet(folder / "days.parquet"), about["last_time"])
        data = PreparedData(
            about["name"],
            decode_ids(pd.read_parquet(folder / "users.parquet")[USER_ID], about[USER_ID]),
            decode_ids(items[ITEM_ID], about[ITEM_ID]),
            _pairs(train),
            _holdout(pq.read_table(folder / "validation.parquet")),
            _holdout(pq.read_table(folder / "test.parquet")),
            items[TITLE].to_numpy(dtype=object),
            _labels(train) if LABEL in train else None,
            _labels(pd.read_parquet(held_out)) if (held_out := folder / HELD_OUT_LABELS).exists() else None,
            _pairs(pd.read_parquet(folder / "other.parquet")),
            pd.DataFrame(
                {name: decode_ids(left_out[name], about[name]) for name in (USER_ID, ITEM_ID)}
                | {LIKED: left_out[LIKED].to_numpy(bool)}
            ),
            history,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:  # ArrowInvalid and JSONDecodeError are ValueErrors
        raise DataError(f"{folder} is not a readable prepared data set", got=str(error), do=again) from error
    if data.fingerprint != expected:
        raise DataError(
            f"{folder} was changed after it was written; its fingerprint is",
            got=data.fingerprint,
            allowed=expected,
            do=again,
        )
    return data


def _labels(frame: pd.DataFrame) -> NDArray[np.float32]:
    labels: NDArray[np.float32] = frame[LABEL].to_numpy(np.float32, copy=True)
    return labels


def _pairs_frame(pairs: Pairs) -> pd.DataFrame:
    return pd.DataFrame({"user": pairs.users, "item": pairs.items})


def _pairs(frame: pd.DataFrame) -> Pairs:
    return Pairs(frame["user"].to_numpy(np.int64, copy=True), frame["item"].to_numpy(np.int64, copy=True))


def _holdout_table(holdout: Holdout) -> pa.Table:
    candidates = pa.FixedSizeListArray.from_arrays(holdout.candidates.ravel(), holdout.candidates.shape[1])
    return pa.table({"user": holdout.pairs.users, "item": holdout.pairs.items, "candidates": candidates})


def _holdout(table: pa.Table) -> Holdout:
    candidates = table["candidates"].combine_chunks()
    flat = candidates.flatten().to_numpy().astype(np.int64)
    return Holdout(_pairs(table.select(["user", "item"]).to_pandas()), flat.reshape(len(table), -1))
