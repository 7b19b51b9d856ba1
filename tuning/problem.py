"""What a study searches for: a model's settings on one data set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ncf import __version__
from ncf.config import GMFRecipe, MLPRecipe
from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError
from ncf.hardware import HardwareConfig
from ncf.training.fit import check_labels
from tuning.observer import Recipe
from tuning.ranges import Range, Value, nearest
from tuning.space import RECIPES, ModelName, check_space, values_of

Second: TypeAlias = Literal["seconds", "size"]


@dataclass(frozen=True)
class Problem:
    """One search. Two problems with the same identity can share a study.

    Attributes:
        model: which model.
        recipe: the settings that the search begins with; those that are not searched stay as they are.
        space: the searched settings, by their dotted names inside the recipe.
        data: the prepared data set.
        seed: of every trial's training, so that trials differ in their settings alone, and of the sampler.
        hardware: where to compute; one device.
        parts: neumf-pretrained alone: the settings of the GMF and the MLP it starts from.
        second: a second objective to be kept small: seconds of training, or size, the number of weights.

    Raises:
        ConfigError: something of it is impossible; the message says what is allowed.
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
            raise ConfigError("the recipe is of another model", got=type(self.recipe).__name__, allowed=wanted.__name__)
        if (self.model == "neumf-pretrained") != (self.parts is not None):
            raise ConfigError(
                f"parts are for neumf-pretrained, and it needs them; the model is {self.model}",
                got=self.parts,
                do="give the recipes of GMF and MLP with neumf-pretrained alone",
            )
        if self.hardware.devices > 1:
            raise ConfigError(
                "a trial is trained on one device", got=self.hardware.devices, allowed="1", do="start several workers"
            )
        check_labels(self.data, self.recipe.training)
        check_space(self.model, self.recipe, self.space)

    def base_values(self) -> dict[str, Value]:
        """What the first trial has for the searched settings: the recipe's own values, or the nearest allowed ones."""
        own = values_of(self.recipe, self.space)
        return {name: nearest(range_, own[name]) for name, range_ in self.space.items()}

    def identity(self) -> dict[str, Any]:
        """What decides the outcome of a trial, as JSON values; hardware does not."""
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
