"""The settings of a tuning: what is searched, how, for how long, and where it is kept."""

from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from flows.retrain.settings import ModelSettings
from ncf.config import ModelName
from tuning.config import BudgetConfig, PrunerConfig, SamplerConfig, Second, StorageConfig
from tuning.ranges import Choices, FloatRange, IntRange

CHAIN: tuple[ModelName, ...] = ("gmf", "mlp", "neumf", "neumf-pretrained")


def _kind(value: Any) -> str:
    """The kind of a range by what it has: choices, or only whole numbers, or others."""
    given: dict[str, Any] = value if isinstance(value, dict) else dict(value or {})
    if "choices" in given:
        return "choices"
    whole = all(isinstance(given[end], int) for end in ("low", "high") if end in given)
    return "int" if isinstance(value, IntRange) or (whole and not isinstance(value, FloatRange)) else "float"


GivenRange: TypeAlias = Annotated[
    Annotated[FloatRange, Tag("float")] | Annotated[IntRange, Tag("int")] | Annotated[Choices, Tag("choices")],
    Discriminator(_kind),
]
Overrides: TypeAlias = dict[str, GivenRange | None]


class StudyStorage(StorageConfig):
    """The database of the studies. Its password is not a setting: it comes with the URL from outside."""

    url_variable: str = Field(
        default="NCF_STUDY_URL", description="environment variable with the URL, password included; it goes before url"
    )
    secret_block: str | None = Field(
        default=None, description="name of a Prefect Secret block with the URL, password included; it goes before both"
    )


class TuneSettings(ModelSettings):
    """Search the settings of one model, or of the four in a chain, and keep the best for retrainings."""

    model: Literal["gmf", "mlp", "neumf", "neumf-pretrained", "all"] = Field(
        default="all",
        description="which model; all: one after the other, each with the whole budget, and neumf-pretrained from the "
        "GMF and MLP just tuned",
    )
    space: Overrides = Field(
        default={},
        description="ranges that replace the model's own, by names such as gmf.training.learning_rate: "
        '{"low": 0.001, "high": 0.01, "log": true}, {"choices": [1, 2]}, or null to leave the setting as it is',
    )
    space_file: Path | None = Field(
        default=None, description="a YAML or JSON file with the same; what is in space goes before it"
    )
    start: Literal["preset", "defaults", "champion"] = Field(
        default="preset",
        description="the first trial, which the winner must beat; what is given here goes before it: preset: what a "
        "retraining takes, which is the defaults except for ml-100k and ml-1m; defaults: the defaults; champion: "
        "the champion's settings, if it is of the same model",
    )
    budget: BudgetConfig = BudgetConfig()
    sampler: SamplerConfig = SamplerConfig()
    pruner: PrunerConfig = PrunerConfig()
    second: Second | None = Field(
        default=None,
        description="a second objective to be kept small: seconds of training, or size, the number of weights; nothing "
        "is pruned then, and the best is still the best by NDCG@10",
    )
    workers: int = Field(
        default=1, ge=1, le=256, description="processes of this machine that try settings at the same time"
    )
    confirm_seeds: int = Field(
        default=3, ge=1, le=100, description="further seeds that the winner and the first trial are compared with"
    )
    storage: StudyStorage = StudyStorage()
    study: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$",
        description="the study's name; empty: data set, model and a hash of everything that decides a trial. In a "
        "chain each model's name is added",
    )

    def models(self) -> tuple[ModelName, ...]:
        """Which are tuned, in this order."""
        return CHAIN if self.model == "all" else (self.model,)
