"""What a study searches: a model's settings on one data set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ncf import __version__
from ncf.config import RECIPES, GMFRecipe, MLPRecipe, ModelName, Recipe
from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError
from ncf.hardware import HardwareConfig
from ncf.training.fit import check_labels
from tuning.ranges import Range, Value, nearest
from tuning.space import check_space, values_of

Second: TypeAlias = Literal["seconds", "size"]


@dataclass(frozen=True)
class Problem:
    """A search for a model's settings on one data set. Problems with the same identity can share a study.

    Attributes:
        model: name of the model.
        recipe: the initial settings; those that are not searched stay as they are.
        space: the searched settings, by their dotted names inside the recipe.
        data: the prepared data set.
        seed: of the sampler and of every trial's training, so that trials only differ in their settings.
        hardware: where to compute; one device.
        parts: for neumf-pretrained only: the settings of the GMF and MLP that it starts from.
        second: a second objective, which is minimized: seconds of training, or size, the number of weights.

    Raises:
        ConfigError: the fields contradict each other, or a setting can't be searched.
    """

    model: ModelName
    recipe: Recipe
    space: Mapping[str, Range]
    data: PreparedData
    seed: int = 0
    hardware: HardwareConfig = field(default_factory=HardwareConfig)
    parts: tuple[GMFRecipe, MLPRecipe] | None = None
    second: Second | None = None

    def __post_init__(self) -> None:
        wanted = RECIPES[self.model]
        if not isinstance(self.recipe, wanted):
            raise ConfigError(
                "the recipe belongs to another model", got=type(self.recipe).__name__, allowed=wanted.__name__
            )
        if (self.model == "neumf-pretrained") != (self.parts is not None):
            raise ConfigError(
                f"parts are only for neumf-pretrained, and required there; the model is {self.model}",
                got=self.parts,
                do="pass the recipes of GMF and MLP for neumf-pretrained, and none for other models",
            )
        if self.hardware.devices > 1:
            raise ConfigError(
                "a trial is trained on one device", got=self.hardware.devices, allowed="1", do="start several workers"
            )
        check_labels(self.data, self.recipe.training)
        check_space(self.model, self.recipe, self.space)

    def base_values(self) -> dict[str, Value]:
        """Values of the searched settings in the first trial: the recipe's, or the nearest ones in the ranges."""
        own = values_of(self.recipe, self.space)
        return {name: nearest(range_, own[name]) for name, range_ in self.space.items()}

    def identity(self) -> dict[str, Any]:
        """Everything but hardware that determines the outcome of a trial, as JSON values."""
        return {
            "data": self.data.fingerprint,
            "model": self.model,
            "recipe": self.recipe.model_dump(mode="json"),
            "space": {name: range_.model_dump(mode="json") for name, range_ in self.space.items()},
            "seed": self.seed,
            "second": self.second,
            "parts": [part.model_dump(mode="json") for part in self.parts] if self.parts else None,
            "ncf": __version__,
        }
