"""The settings that all flows and commands share: the data set's name, and where and how its log is read."""

from pydantic import Field, ValidationInfo, field_validator

from ncf.config import Settings
from ncf.data.config import DataConfig
from ncf.ingest.config import MOVIELENS, MovieLensSource, SourceConfig


class DatasetSettings(Settings):
    """Settings of whatever works on one data set."""

    dataset: str = Field(
        default="ml-100k",
        pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$",
        description="name of the data set, and so of the experiment, the registered model (ncf-NAME) and the files",
    )

    @property
    def model_name(self) -> str:
        """Name of the registered model."""
        return f"ncf-{self.dataset}"


class DataSettings(DatasetSettings):
    """Read a log, check it, and prepare the data set that models are trained on."""

    source: SourceConfig | None = Field(
        default=None,
        validate_default=True,
        description="location of the log; empty: the MovieLens data set that `dataset` names",
    )
    data: DataConfig = DataConfig()

    @field_validator("source", mode="after")
    @classmethod
    def _known_by_name(cls, source: SourceConfig | None, info: ValidationInfo) -> SourceConfig | None:
        dataset = info.data.get("dataset")  # None if it was refused itself
        if source is None and dataset is not None and dataset not in MOVIELENS:
            raise ValueError(f"{dataset!r} needs a source, such as source.path; by name: {', '.join(MOVIELENS)}")
        return source

    @property
    def log_source(self) -> SourceConfig:
        """The source, or the MovieLens data set of that name."""
        return self.source or MovieLensSource.model_validate({"name": self.dataset})
