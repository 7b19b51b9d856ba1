"""The settings that all flows and commands share: the data set's name, and where and how its log is read."""

import re

from pydantic import Field, ValidationInfo, field_validator

from ncf.config import Settings
from ncf.data.config import DataConfig
from ncf.ingest.config import MOVIELENS, MovieLensSource, SourceConfig
from ncf.ingest.engine import EngineConfig

PREFIX = "ncf-"  # of registered models
MAX_NAME = 64
NAME = rf"^[a-z0-9][a-z0-9_-]{{0,{MAX_NAME - 1}}}$"


class DatasetSettings(Settings):
    """Settings of whatever works on one data set."""

    dataset: str = Field(
        default="ml-100k",
        pattern=NAME,
        description="name of the data set, and so of the experiment, the registered model (ncf-NAME) and the files",
    )

    @field_validator("dataset", mode="before")
    @classmethod
    def _lower_case(cls, dataset: object) -> object:
        if isinstance(dataset, str) and not re.fullmatch(NAME, dataset):
            proposed = re.sub("[^a-z0-9_-]+", "-", dataset.lower()).strip("-_")[:MAX_NAME]
            raise ValueError(
                f"the name of a data set is lower case: 1 to {MAX_NAME} of a-z, 0-9, - and _, beginning with a letter "
                "or a digit" + (f"; did you mean {proposed}?" if proposed else "")
            )
        return dataset

    @property
    def model_name(self) -> str:
        """Name of the registered model."""
        return f"{PREFIX}{self.dataset}"


def dataset_of(model_name: str) -> str:
    """Name of a registered model's data set."""
    return model_name.removeprefix(PREFIX)


class DataSettings(DatasetSettings):
    """Read a log, check it, and prepare the data set that models are trained on."""

    source: SourceConfig | None = Field(
        default=None,
        validate_default=True,
        description="location of the log; empty: the MovieLens data set that `dataset` names",
    )
    data: DataConfig = DataConfig()
    engine: EngineConfig = EngineConfig()

    @field_validator("source", mode="after")
    @classmethod
    def _known_by_name(cls, source: SourceConfig | None, info: ValidationInfo) -> SourceConfig | None:
        dataset = info.data.get("dataset")  # None if it was refused itself
        if source is None and dataset is not None and dataset not in MOVIELENS:
            raise ValueError(f"{dataset!r} needs a source, such as source.path; by name: {', '.join(MOVIELENS)}")
        return source

    @classmethod
    def of(cls, settings: "DataSettings") -> "DataSettings":
        """The part of the settings of any flow that says which data it works on."""
        return DataSettings.model_validate({name: getattr(settings, name) for name in DataSettings.model_fields})

    @property
    def log_source(self) -> SourceConfig:
        """The source, or the MovieLens data set of that name."""
        return self.source or MovieLensSource.model_validate({"name": self.dataset})
