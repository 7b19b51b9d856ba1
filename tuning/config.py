"""Settings of a study: sampler, pruner, budget and database."""

from typing import Literal, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from ncf.config import Settings
from ncf.ingest.config import check_public_url

Second: TypeAlias = Literal["seconds", "size"]  # another objective beside NDCG@10

WHERE_PASSWORDS_GO = "keep the URL in an environment variable, and pass it to open_study"


class SamplerConfig(Settings):
    """How the settings of the next trial are chosen."""

    kind: Literal["tpe", "random", "gp", "grid"] = Field(
        default="tpe",
        description="tpe: tree-structured Parzen estimator, which learns from earlier trials; random; gp: Gaussian "
        "process, for few trials and few settings; grid: every combination once",
    )
    startup_trials: int = Field(
        default=10, ge=1, le=100_000, description="tpe, gp: random trials before the sampler learns from them"
    )
    grid_points: int = Field(
        default=3,
        ge=2,
        le=1000,
        description="grid: values per range, with both ends; all choices are used. With several settings even 3 "
        "make many trials",
    )


class PrunerConfig(Settings):
    """Which trials are stopped early."""

    kind: Literal["median", "hyperband", "none"] = Field(
        default="median",
        description="median: stop trials that are worse than half of the finished ones at the same epoch; hyperband: "
        "few epochs for many trials, more for the better ones; none",
    )
    startup_trials: int = Field(
        default=5, ge=0, le=100_000, description="median: finished trials before any is stopped"
    )
    warmup_epochs: int = Field(
        default=2, ge=0, le=100_000, description="epochs before a trial can be stopped; early scores are unreliable"
    )


class BudgetConfig(Settings):
    """How long a study searches; it ends at the first limit that is reached."""

    trials: int = Field(
        default=50, ge=1, le=1_000_000, description="number of trials, including pruned and failed ones"
    )
    minutes: float | None = Field(
        default=None,
        gt=0.0,
        description="minutes during which at least one trial ran; running trials are completed; empty: no limit",
    )


class StorageConfig(Settings):
    """The database of the studies."""

    url: str | None = Field(
        default=None,
        description="SQLAlchemy URL without a password, such as sqlite:///studies.db; empty: the default of the "
        "caller, which is mlruns/optuna.db for make tune",
    )
    heartbeat_seconds: int = Field(
        default=10, ge=1, le=3600, description="seconds between two heartbeats of a running trial"
    )
    grace_seconds: int = Field(
        default=60,
        ge=2,
        le=86_400,
        description="seconds without a heartbeat after which a trial on another machine counts as dead; a dead "
        "process on this machine is noticed at once",
    )
    lock_seconds: float = Field(
        default=60.0, gt=0.0, le=3600.0, description="SQLite: seconds to wait for a database that is locked"
    )

    @field_validator("url")
    @classmethod
    def _url_without_password(cls, url: str | None) -> str | None:
        check_public_url(url, WHERE_PASSWORDS_GO)
        return url

    @model_validator(mode="after")
    def _grace_after_heartbeats(self) -> Self:
        if self.grace_seconds <= self.heartbeat_seconds:
            raise ValueError(
                f"grace_seconds must be above heartbeat_seconds, got {self.grace_seconds} and {self.heartbeat_seconds}"
            )
        return self
