"""How a study searches, and for how long, as settings."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from ncf.config import Settings
from ncf.ingest.config import check_public_url

WHERE_PASSWORDS_GO = "keep the whole URL in an environment variable, from which it is handed to open_study"


class SamplerConfig(Settings):
    """How the settings of the next trial are chosen."""

    kind: Literal["tpe", "random", "gp", "grid"] = Field(
        default="tpe",
        description="tpe: tree-structured Parzen estimator, which learns from the trials so far; random; gp: Gaussian "
        "process, for few trials of few settings; grid: every combination once",
    )
    startup_trials: int = Field(
        default=10, ge=1, le=100_000, description="tpe, gp: trials drawn at random before anything is learned from them"
    )
    grid_points: int = Field(
        default=3,
        ge=2,
        le=1000,
        description="grid: values per range, its ends included; choices are all taken. With several settings even 3 "
        "are many trials",
    )


class PrunerConfig(Settings):
    """Which trials are given up before their end."""

    kind: Literal["median", "hyperband", "none"] = Field(
        default="median",
        description="median: worse than half of the finished trials at the same epoch; hyperband: few epochs for many "
        "trials, more for the better ones; none",
    )
    startup_trials: int = Field(
        default=5, ge=0, le=100_000, description="median: finished trials before any is given up"
    )
    warmup_epochs: int = Field(
        default=2, ge=0, le=100_000, description="epochs before a trial can be given up; early figures say little"
    )


class BudgetConfig(Settings):
    """How long a study searches; what is reached first ends it."""

    trials: int = Field(default=50, ge=1, le=1_000_000, description="trials, the given-up and the failed ones counted")
    minutes: float | None = Field(
        default=None,
        gt=0.0,
        description="minutes in which at least one trial ran; what runs then goes on to its end; empty: no limit",
    )


class StorageConfig(Settings):
    """The database of the studies."""

    url: str | None = Field(
        default=None,
        description="SQLAlchemy URL without a password, such as sqlite:///studies.db; empty: the caller's own "
        "place, of make tune mlruns/optuna.db",
    )
    heartbeat_seconds: int = Field(
        default=10, ge=1, le=3600, description="seconds between two signs of life of a running trial"
    )
    grace_seconds: int = Field(
        default=60,
        ge=2,
        le=86_400,
        description="seconds without a sign of life after which a trial on another machine counts as dead; a dead "
        "process on this machine is seen at once",
    )
    lock_seconds: float = Field(
        default=60.0, gt=0.0, le=3600.0, description="SQLite: seconds to wait for a database that others write to"
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
