"""What a study searches, a model's settings on one data set; and the events of the search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from pytorch_lightning.loggers import Logger

from ncf import __version__
from ncf.config import RECIPES, GMFRecipe, MLPRecipe, ModelName, Recipe
from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError
from ncf.hardware import HardwareConfig
from ncf.training.fit import check_labels
from tuning.config import Second
from tuning.ranges import Range, Value, nearest
from tuning.space import check_space, values_of

State: TypeAlias = Literal["complete", "pruned", "failed", "interrupted"]


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


@dataclass(frozen=True)
class TrialStart:
    """The start of a trial.

    Attributes:
        number: of the trial in its study, from 0.
        recipe: all its settings.
        values: the searched settings, by their dotted names.
        retry_of: number of the interrupted trial that this one repeats; of several in a row, the first.
    """

    number: int
    recipe: Recipe
    values: Mapping[str, Value]
    retry_of: int | None = None


@dataclass(frozen=True)
class TrialOutcome:
    """The end of a trial.

    Attributes:
        number: of the trial in its study, from 0.
        state: complete; pruned: stopped by the pruner; failed: see reason; interrupted: its process died or was
            stopped, and another trial repeats it.
        values: the searched settings by their dotted names; empty if the trial died before it had them.
        score: best validation NDCG@10 until its end; None if it had none.
        second: seconds of training or number of weights, if that is the study's second objective.
        epochs: number of epochs that were run.
        best_epoch: the epoch with the score, from 1; 0: the initial weights.
        seconds: of training; of an interrupted trial, until its last heartbeat.
        reason: why it failed; empty otherwise.
        curve: validation NDCG@10 by epoch, from 1; None with a second objective.
        retry_of: as in TrialStart.
    """

    number: int
    state: State
    values: Mapping[str, Value]
    score: float | None = None
    second: float | None = None
    epochs: int | None = None
    best_epoch: int | None = None
    seconds: float | None = None
    reason: str = ""
    curve: Mapping[int, float] | None = None
    retry_of: int | None = None


class Observer:
    """Receives the trials of one worker; this one does nothing with them.

    If it raises an error, the worker stops, and its trial is queued again.
    """

    def started(self, trial: TrialStart) -> Sequence[Logger]:
        """Called when a trial starts; the returned Lightning loggers receive its loss and validation of each epoch."""
        return ()

    def ended(self, outcome: TrialOutcome) -> None:
        """Called when a trial has ended and is recorded in the study.

        Also called for a trial of another process that died, by the worker that finds it. If the process is killed
        between the record and this call, there is no call: `tuning.summary.summarize` has every outcome.
        """
