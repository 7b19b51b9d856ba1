"""Start a training from an older model: known users and items keep their embeddings, new ones get initial values."""

import pandas as pd
import torch
from torch import Tensor

from ncf.data.columns import Ids
from ncf.data.prepared import PreparedData
from ncf.errors import ModelError
from ncf.models.build import Model

USER_TABLE, ITEM_TABLE = "user_embedding.weight", "item_embedding.weight"


def carry_over(model: Model, old: Model, old_user_ids: Ids, old_item_ids: Ids, data: PreparedData) -> None:
    """Copy an older model's weights into a new one, in place.

    Args:
        model: a new model with initial values, for the users and items of `data`.
        old: a trained model of the same kind and shape; its users and items may differ.
        old_user_ids: ids of the old model's users, in the order of its rows.
        old_item_ids: ids of its items, likewise.
        data: the data set of the new model.

    Raises:
        ModelError: the models differ in kind or shape.
    """
    ours, theirs = model.state_dict(), old.state_dict()
    _refuse_another_shape(ours, theirs)
    users = pd.Index(old_user_ids).get_indexer(pd.Index(data.user_ids))
    items = pd.Index(old_item_ids).get_indexer(pd.Index(data.item_ids))
    old_rows = {USER_TABLE: torch.as_tensor(users), ITEM_TABLE: torch.as_tensor(items)}
    with torch.no_grad():
        for name, value in ours.items():
            rows = next((old_rows[table] for table in old_rows if name.endswith(table)), None)
            if rows is None:
                value.copy_(theirs[name])
            else:
                value[rows >= 0] = theirs[name][rows[rows >= 0]]


def _refuse_another_shape(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    def shape(weights: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
        tables = (USER_TABLE, ITEM_TABLE)
        return {name: tuple(w.shape[1:] if name.endswith(tables) else w.shape) for name, w in weights.items()}

    if shape(ours) != shape(theirs):
        raise ModelError(
            "the older model has another shape", got=shape(theirs), allowed=str(shape(ours)), do="train from scratch"
        )
