"""From a model's settings to the model."""

from typing import TypeAlias

import torch

from ncf.config import GMFConfig, MLPConfig, ModelConfig, NeuMFConfig
from ncf.models.gmf import GMF
from ncf.models.mlp import MLP
from ncf.models.neumf import NeuMF

Model: TypeAlias = GMF | MLP | NeuMF


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
