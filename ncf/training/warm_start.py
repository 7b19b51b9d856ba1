"""Start a training from an older model: who and what is still there keeps its rows, the new get fresh ones."""

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
        model: new, with initial values, for the users and items of `data`.
        old: a trained model of the same kind and shape, for other users and items perhaps.
        old_user_ids: outside ids of the old model's users; position = row.
        old_item_ids: the same of its items.
        data: what the new model is to be trained on.

    Raises:
        ModelError: the models are of other kinds or widths.
    """
    ours, theirs = model.state_dict(), old.state_dict()
    _refuse_another_shape(ours, theirs)
    users = pd.Index(old_user_ids).get_indexer(pd.Index(data.user_ids))
    items = pd.Index(old_item_ids).get_indexer(pd.Index(data.item_ids))
    rows = {USER_TABLE: torch.as_tensor(users), ITEM_TABLE: torch.as_tensor(items)}
    with torch.no_grad():
        for name, value in ours.items():
            table = next((rows[end] for end in rows if name.endswith(end)), None)
            if table is None:
                value.copy_(theirs[name])
            else:
                value[table >= 0] = theirs[name][table[table >= 0]]


def _refuse_another_shape(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    def shape(weights: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
        tables = (USER_TABLE, ITEM_TABLE)
        return {name: tuple(w.shape[1:] if name.endswith(tables) else w.shape) for name, w in weights.items()}

    if shape(ours) != shape(theirs):
        raise ModelError(
            "the older model has another shape", got=shape(theirs), allowed=str(shape(ours)), do="train from scratch"
        )
