"""The initial values of a model: by its settings, or from an older model."""

from typing import TypeAlias

import pandas as pd
import torch
from torch import Tensor

from ncf.config import GMFConfig, MLPConfig, ModelConfig, NeuMFConfig
from ncf.data import Ids
from ncf.data.prepared import PreparedData
from ncf.errors import ModelError
from ncf.models.gmf import GMF
from ncf.models.mlp import MLP
from ncf.models.neumf import NeuMF

Model: TypeAlias = GMF | MLP | NeuMF

USER_TABLE, ITEM_TABLE = "user_embedding.weight", "item_embedding.weight"


def build_model(config: ModelConfig, num_users: int, num_items: int, seed: int) -> Model:
    """Make a model with its initial values, on the CPU; the same arguments give the same weights."""
    generator = torch.Generator().manual_seed(seed)
    match config:
        case GMFConfig():
            return GMF(num_users, num_items, config.embedding_dim, generator=generator, ones=config.head == "ones")
        case MLPConfig():
            return MLP(num_users, num_items, config.layers, config.dropout, generator=generator)
        case NeuMFConfig():
            return NeuMF(num_users, num_items, config.embedding_dim, config.layers, config.dropout, generator=generator)


def carry_over(model: Model, old: Model, old_user_ids: Ids, old_item_ids: Ids, data: PreparedData) -> None:
    """Start from a trained model: users and items that it knows keep their embeddings; the model changes in place.

    Args:
        model: a new model with initial values, for the users and items of `data`.
        old: a trained model of the same kind and shape.
        old_user_ids: in the order of its rows.
        old_item_ids: likewise.
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
