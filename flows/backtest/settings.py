"""The settings of a backtest: which policies are compared, on which windows, with which model."""

from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from flows.retrain.settings import ModelSettings, RetrainSettings
from ncf.backtest.plan import PATTERN, Policy
from ncf.data.config import DataConfig, Time
from ncf.ingest.config import FileSource, PaperSource, SourceConfig
from tuning.space import ModelName


def _known(name: str) -> str:
    return Policy.named(name).name


PolicyName: TypeAlias = Annotated[
    str,
    AfterValidator(_known),
    WithJsonSchema({"type": "string", "pattern": PATTERN}),  # so that Prefect refuses others when a run is asked for
]


class BacktestSettings(ModelSettings):
    """Replay a log by time: what would retraining every week, every month or never have brought?"""

    model: ModelName = Field(
        default="gmf", description="which model serves; neumf-pretrained trains a GMF and an MLP for it at each moment"
    )
    window_days: int = Field(
        default=7, ge=1, le=3660, description="length of a window in days; in each one model serves and is judged"
    )
    policies: tuple[PolicyName, ...] = Field(
        default=("weekly", "monthly", "never"),
        description="when a model is trained anew: never, monthly (every four weeks), weekly, daily, or every so many "
        "days, such as 10d; none more often than once a window",
    )
    start: Time | None = Field(
        default=None,
        description="the first training, and the beginning of the first window; empty: after a quarter of the log",
    )
    force: bool = Field(default=False, description="train again even what was trained before with these settings")
    picture: Path | None = Field(
        default=None, description="a .png file that the curves are written to as well; MLflow has them in any case"
    )

    @field_validator("policies")
    @classmethod
    def _fit_the_window(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        policies, window = [Policy.named(name) for name in names], info.data.get("window_days")
        if not policies:
            raise ValueError("name one policy or more")
        for number, policy in enumerate(policies):
            if policy.days in [earlier.days for earlier in policies[:number]]:
                raise ValueError(f"{policy.name!r} is there twice; name each policy once")
            if window is not None and policy.interval < window:
                raise ValueError(
                    f"{policy.name!r} trains more often than once in a window of {window} days, in which one model "
                    f"serves; choose window_days {policy.days} or less"
                )
        return names

    @field_validator("data")
    @classmethod
    def _left_to_the_replay(cls, data: DataConfig) -> DataConfig:
        if data.split.kind == "temporal":
            raise ValueError(
                "the split temporal names two moments, and a backtest has its own; choose leave-one-out or random, "
                "which hold out within what each training sees"
            )
        for name in ("users_active_since", "items_active_since"):
            if getattr(data.filters, name) is not None:
                raise ValueError(f"filters.{name} is one moment for all trainings, which have moments of their own")
        return data

    @field_validator("source")
    @classmethod
    def _without_a_split(cls, source: SourceConfig | None) -> SourceConfig | None:
        given = isinstance(source, FileSource) and (source.validation_path or source.test_path)
        if given or isinstance(source, PaperSource):
            raise ValueError(
                "the source brings its own split, and a backtest splits by time; give the whole log as one"
            )
        return source

    @field_validator("picture")
    @classmethod
    def _png(cls, picture: Path | None) -> Path | None:
        if picture is not None and picture.suffix != ".png":
            raise ValueError("the picture's name must end with .png")
        return picture

    @property
    def schedule(self) -> list[Policy]:
        """The policies, the most frequent training first."""
        return sorted((Policy.named(name) for name in self.policies), key=lambda policy: policy.interval)

    def trained(self) -> tuple[ModelName, ...]:
        """The models that are trained at a moment, in this order; the last one serves."""
        return ("gmf", "mlp", self.model) if self.model == "neumf-pretrained" else (self.model,)

    def at(self, data: DataConfig) -> RetrainSettings:
        """A retraining's settings with those of the data at a moment. It starts from no champion, which knows more."""
        shared = self.model_dump(include=set(ModelSettings.model_fields)) | {"data": data.model_dump()}
        return RetrainSettings.model_validate(shared)

    def learned(self) -> dict[str, Any]:
        """What decides, beside the data, what a training of one moment becomes; JSON values."""
        recipes = {name.replace("-", "_") for name in self.trained()}
        return {"model": self.model, **self.model_dump(mode="json", include={"seed", *recipes})}

    def replayed(self) -> dict[str, Any]:
        """What decides the whole backtest; JSON values."""
        return self.learned() | self.model_dump(
            mode="json", include={"dataset", "data", "window_days", "policies", "start"}
        )
