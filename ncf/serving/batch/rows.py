"""From parts, which have indices, to the rows that others read: outside ids, the source, the model's version."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ncf.data.ids import encode_ids, kind_of
from ncf.data.interactions import Ids
from ncf.data.ratings import ITEM_ID, TITLE, USER_ID
from ncf.serving.batch.lists import Lists
from ncf.serving.batch.parts import ITEM, USER
from ncf.serving.recommender import FROM_MODEL, FROM_POPULARITY, RANK, SCORE, SOURCE, learned_of

VERSION = "model_version"
COLUMNS = (USER_ID, ITEM_ID, RANK, SCORE, SOURCE, VERSION)
TITLED = (USER_ID, RANK, ITEM_ID, TITLE, SCORE, SOURCE, VERSION)  # of a CSV file, which people read


@dataclass(frozen=True)
class Rows:
    """What is put in the place of indices.

    Attributes:
        user_ids: Arrow array, by place in the list of users.
        item_ids, titles: Arrow arrays, by index of the item.
        learned: bool Arrow array, by place in the list of users: whether the model knows the user.
        version: of the model.
        columns: names, in the order wanted.
    """

    user_ids: Any
    item_ids: Any
    titles: Any
    learned: Any
    version: int
    columns: Sequence[str]

    @classmethod
    def of(cls, lists: Lists, version: int, columns: Sequence[str], *, text_uuids: bool = False) -> "Rows":
        """From the lists' ids; UUIDs as such, or as text for what has no UUIDs."""
        bundle = lists.recommender.bundle
        return cls(
            arrow_ids(lists.user_ids, text_uuids=text_uuids),
            arrow_ids(bundle.item_ids, text_uuids=text_uuids),
            pa.array(bundle.titles, pa.string()),
            pa.array(learned_of(bundle, lists.users).numpy()),
            version,
            columns,
        )

    @property
    def schema(self) -> Any:
        """Names and Arrow types of the columns."""
        types = {
            USER_ID: self.user_ids.type,
            ITEM_ID: self.item_ids.type,
            TITLE: pa.string(),
            RANK: pa.int64(),
            SCORE: pa.float32(),
            SOURCE: pa.string(),
            VERSION: pa.int64(),
        }
        return pa.schema([(name, types[name]) for name in self.columns])

    def table(self, part: Any) -> Any:
        """The rows of a part, an Arrow table."""
        user, item = (part.column(name).combine_chunks() for name in (USER, ITEM))
        values = {
            USER_ID: self.user_ids.take(user),
            ITEM_ID: self.item_ids.take(item),
            TITLE: self.titles.take(item),
            RANK: part.column(RANK),
            SCORE: part.column(SCORE),
            SOURCE: pc.if_else(self.learned.take(user), FROM_MODEL, FROM_POPULARITY),
            VERSION: pa.repeat(pa.scalar(self.version, pa.int64()), len(part)),
        }
        return pa.table([values[name] for name in self.columns], schema=self.schema)


def arrow_ids(ids: Ids, *, text_uuids: bool) -> Any:
    """Ids as an Arrow array of integers, strings or UUIDs."""
    if kind_of(ids) != "uuid":
        return pa.array(ids, pa.int64() if kind_of(ids) == "int" else pa.string())
    if text_uuids:
        return pa.array([str(value) for value in ids], pa.string())
    return pa.ExtensionArray.from_storage(pa.uuid(), pa.array(encode_ids(ids), pa.binary(16)))
