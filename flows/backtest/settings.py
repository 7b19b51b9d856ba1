"""The settings of a backtest: policies, windows and model."""

from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from flows.retrain.settings import ModelSettings, RetrainSettings
from ncf.backtest.plan import PATTERN, Policy
from ncf.config import ModelName
from ncf.data.config import DataConfig, Time
from ncf.ingest.config import FileSource, PaperSource, SourceConfig
from ncf.ingest.engine import EngineConfig


def _known(name: str) -> str:
    return Policy.named(name).name


PolicyName: TypeAlias = Annotated[
    str,
    AfterValidator(_known),
    WithJsonSchema({"type": "string", "pattern": PATTERN}),  # so that Prefect refuses other names
]


class BacktestSettings(ModelSettings):
    """Replay a log by time: what would retraining every week, every month or never have gained?"""

    model: ModelName = Field(
        default="gmf", description="which model serves; neumf-pretrained trains a GMF and an MLP for it at each moment"
    )
    window_days: int = Field(
        default=7, ge=1, le=3660, description="length of a window in days; one model serves in it per policy"
    )
    policies: tuple[PolicyName, ...] = Field(
        default=("weekly", "monthly", "never"),
        description="when to retrain: never, monthly (every four weeks), weekly, daily, or every so many days, such "
        "as 10d; at most once per window. With -wins-ties or -surely-better at the end, such as weekly-wins-ties, a "
        "new model serves only if a retraining would promote it, by that rule of promotion.newer_data",
    )
    most_trainings: int = Field(
        default=60, ge=1, description="a backtest that would train more often than this is refused before any training"
    )
    start: Time | None = Field(
        default=None,
        description="time of the first training and start of the first window; empty: after a quarter of the log",
    )
    refit: bool = Field(
        default=True,
        description="train each model again on train, validation and test together before it serves, as a retraining "
        "does; the gates compare the models from before",
    )
    force: bool = Field(default=False, description="train again even if nothing has changed")
    picture: Path | None = Field(
        default=None, description="a .png file for a copy of the curves; MLflow always has them"
    )

    @field_validator("policies")
    @classmethod
    def _fits_windows(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        policies, window = [Policy.named(name) for name in names], info.data.get("window_days")
        if not policies:
            raise ValueError("name at least one policy")
        for number, policy in enumerate(policies):
            if (policy.days, policy.rule) in [(earlier.days, earlier.rule) for earlier in policies[:number]]:
                raise ValueError(f"{policy.name!r} is named twice; name each policy once")
            if window is not None and policy.interval < window:
                raise ValueError(
                    f"{policy.name!r} retrains more often than once in a window of {window} days; choose "
                    f"window_days {policy.days} or less"
                )
        return names

    @field_validator("data")
    @classmethod
    def _has_no_moments(cls, data: DataConfig) -> DataConfig:
        if data.split.kind == "temporal":
            raise ValueError(
                "a backtest does not support the split temporal, which has fixed moments; choose leave-one-out or "
                "random"
            )
        for name in ("users_active_since", "items_active_since"):
            if getattr(data.filters, name) is not None:
                raise ValueError(f"a backtest does not support filters.{name}, which is a fixed moment; leave it out")
        return data

    @field_validator("source")
    @classmethod
    def _has_no_split(cls, source: SourceConfig | None) -> SourceConfig | None:
        given = isinstance(source, FileSource) and (source.validation_path or source.test_path)
        if given or isinstance(source, PaperSource):
            raise ValueError(
                "a backtest splits by time, and this source has its own split; give the whole log as one source"
            )
        return source

    @field_validator("engine")
    @classmethod
    def _in_one_process(cls, engine: EngineConfig) -> EngineConfig:
        if engine.kind != "pandas":
            raise ValueError(
                f"a backtest replays the log in one process, not with {engine.kind}; leave engine.kind at pandas, and "
                "give a log that fits, such as a sample of the users"
            )
        return engine

    @field_validator("picture")
    @classmethod
    def _png(cls, picture: Path | None) -> Path | None:
        if picture is not None and picture.suffix != ".png":
            raise ValueError("the picture's name must end with .png")
        return picture

    @property
    def schedule(self) -> list[Policy]:
        """The policies, the most frequent one first."""
        return sorted((Policy.named(name) for name in self.policies), key=lambda policy: policy.interval)

    def trained(self) -> tuple[ModelName, ...]:
        """The models to train at each moment, in this order; the last one serves."""
        return ("gmf", "mlp", self.model) if self.model == "neumf-pretrained" else (self.model,)

    def at(self, data: DataConfig) -> RetrainSettings:
        """The settings of a retraining at one moment. It never starts from the champion, which knows later data."""
        shared = self.model_dump(include=set(ModelSettings.model_fields)) | {"data": data.model_dump()}
        return RetrainSettings.model_validate(shared)

    def learned(self) -> dict[str, Any]:
        """The settings that decide, beside the data, what one training learns; JSON values."""
        recipes = {name.replace("-", "_") for name in self.trained()}
        return {"model": self.model, **self.model_dump(mode="json", include={"seed", "refit", *recipes})}

    def replayed(self) -> dict[str, Any]:
        """The settings that decide the whole backtest; JSON values."""
        return self.learned() | self.model_dump(
            mode="json", include={"dataset", "data", "window_days", "policies", "start"}
        )
