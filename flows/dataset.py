"""The data set by whose name everything of it is found; what all commands and flows have in common."""

from pydantic import Field

from ncf.config import Settings


class DatasetSettings(Settings):
    """Settings that are about one data set."""

    dataset: str = Field(
        default="ml-100k",
        pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$",
        description="the data set's name: that of the experiment, the registered model (ncf-NAME) and the files",
    )

    @property
    def model_name(self) -> str:
        """Name of the registered model."""
        return f"ncf-{self.dataset}"
