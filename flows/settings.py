"""The settings of a retraining: one model for the Prefect form, `prefect deployment run -p`, and the command line."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from ncf.config import (
    DataConfig,
    GMFRecipe,
    HardwareConfig,
    MLPRecipe,
    NeuMFRecipe,
    PretrainedRecipe,
    Settings,
)

NOT_LEARNED = frozenset({"force", "hardware", "top_k"})  # changing these gives the same models


class RetrainSettings(Settings):
    """Train GMF, MLP and NeuMF on a data set, compare them with the champion, register and promote the best."""

    dataset: Literal["ml-100k"] = Field(default="ml-100k", description="data set, by name")
    seed: int = Field(default=0, ge=0, lt=2**31, description="seed of initial values, shuffling, negatives and dropout")
    force: bool = Field(default=False, description="train even if nothing has changed since the last retraining")
    warm_start: bool = Field(
        default=False,
        description="start the model that the champion is, if of the same shape, from the champion's weights; "
        "cheaper on a log that has grown",
    )
    top_k: int = Field(default=10, ge=1, le=1000, description="recommendations per user in the file")
    data: DataConfig = DataConfig()
    gmf: GMFRecipe = GMFRecipe()
    mlp: MLPRecipe = MLPRecipe()
    neumf: NeuMFRecipe = NeuMFRecipe()
    neumf_pretrained: PretrainedRecipe = PretrainedRecipe()
    hardware: HardwareConfig = HardwareConfig()

    @property
    def model_name(self) -> str:
        """Name of the registered model."""
        return f"ncf-{self.dataset}"

    def learned(self) -> dict[str, Any]:
        """The settings that decide what the models become, as JSON values."""
        return self.model_dump(mode="json", exclude=set(NOT_LEARNED))


def content_key(*parts: object) -> str:
    """A short hash of JSON values: equal values give equal keys in any process."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as dotted names, as MLflow's parameters want them."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
