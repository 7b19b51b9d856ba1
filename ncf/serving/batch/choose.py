"""From the filters to the items that may be recommended, and from the choice of users to their ids."""

import difflib

import numpy as np
import torch
from torch import Tensor

from ncf.data.ids import kind_of
from ncf.data.interactions import Ids
from ncf.data.ratings import ITEM_ID, USER_ID
from ncf.errors import DataError
from ncf.serving.batch.config import ItemFilters, UserChoice
from ncf.serving.batch.ids import given_ids, read_categories, read_ids
from ncf.serving.bundle import Bundle
from ncf.serving.recommender import Choice, Recommender

SHOWN = 20  # names in a message


def choose_users(bundle: Bundle, users: UserChoice) -> Ids:
    """Outside ids, each once; some may be unknown to the model.

    Raises:
        DataError: they can't be read, or are not of the model's type.
    """
    kind = kind_of(bundle.user_ids)
    if users.path is not None:
        return read_ids(users.path, users.column, USER_ID, "users.column", kind)
    return bundle.user_ids if users.ids is None else given_ids(users.ids, kind)


def choose_items(recommender: Recommender, filters: ItemFilters) -> Choice:
    """The items that the filters leave.

    Raises:
        DataError: a file can't be read, a category is unknown, or nothing is left.
    """
    left = torch.ones(len(recommender.bundle.item_ids), dtype=torch.bool)
    for name, path in (("allowlist", filters.allowlist), ("blocklist", filters.blocklist)):
        if path is not None:
            listed = _listed(recommender, path, filters)
            left &= listed if name == "allowlist" else ~listed
            _refuse_none(left, f"{name} {path}")
    if filters.categories is not None:
        left &= _of_categories(recommender, filters, filters.categories)
        _refuse_none(left, f"categories {', '.join(filters.categories)}")
    return Choice((~left).nonzero()[:, 0], filters.unseen)


def _listed(recommender: Recommender, path: str, filters: ItemFilters) -> Tensor:
    ids = read_ids(path, filters.column, ITEM_ID, "filters.column", kind_of(recommender.bundle.item_ids))
    return _marked(recommender, ids)


def _of_categories(recommender: Recommender, filters: ItemFilters, wanted: tuple[str, ...]) -> Tensor:
    assert filters.categories_path is not None  # the settings hold both to it
    kind = kind_of(recommender.bundle.item_ids)
    columns = filters.categories_item, filters.categories_column
    found = read_categories(filters.categories_path, *columns, filters.categories_separator, kind)
    known = sorted(set(found))
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise DataError(
                f"{filters.categories_path} has no item of the category",
                got=name,
                allowed=", ".join(known[:SHOWN]) + (", ..." if len(known) > SHOWN else ""),
                do=f"did you mean {near[0]}?" if near else "check filters.categories and categories_separator",
            )
    return _marked(recommender, found.index[found.isin(wanted)].to_numpy())


def _marked(recommender: Recommender, ids: Ids) -> Tensor:
    """Which of the catalogue's items are among the ids, bool[num_items]."""
    items = recommender.items_of(ids)
    marked = torch.zeros(len(recommender.bundle.item_ids), dtype=torch.bool)
    marked[items[items >= 0]] = True
    return marked


def _refuse_none(left: Tensor, last: str) -> None:
    if not left.any():
        raise DataError(
            "the filters leave no item to recommend",
            got=last,
            allowed="at least one of the items that the model knows",
            do="check the ids in it, and whether the filters go together",
        )


def left_over(recommender: Recommender) -> int:
    """How many items may be recommended, before anything that a user has seen is left out."""
    return int(len(recommender.bundle.item_ids) - len(np.unique(recommender.choice.left_out.numpy())))
