"""The settings of a batch of recommendations."""

from pydantic import Field

from ncf.config import Settings
from ncf.hardware import HardwareConfig
from ncf.serving.batch.config import FileOutput, ItemFilters, OutputConfig, UserChoice
from ncf.serving.batch.lists import BLOCK_ROWS


class RecommendSettings(Settings):
    """Write the champion's best items for many users into a file or a table; needs no log."""

    dataset: str = Field(
        default="ml-100k",
        pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$",
        description="whose champion: that of the registered model ncf-NAME",
    )
    top_k: int = Field(
        default=10, ge=1, le=1_000_000, description="recommendations per user; as many as there are items at most"
    )
    users: UserChoice = UserChoice()
    filters: ItemFilters = ItemFilters()
    output: OutputConfig | None = Field(
        default=None,
        description="where to: path (.parquet, .csv, .csv.gz; also an fsspec URL), or table of a database; empty: "
        "recommendations/NAME.csv in the working folder",
    )
    block_rows: int = Field(
        default=BLOCK_ROWS,
        ge=1,
        le=100_000_000,
        description="recommendations held in memory, and lost by an interruption, at the most; at the least one user's",
    )
    hardware: HardwareConfig = Field(
        default=HardwareConfig(), description="threads and scoring_memory_mb; recommending is done on the CPU"
    )

    @property
    def model_name(self) -> str:
        """Name of the registered model."""
        return f"ncf-{self.dataset}"

    @property
    def place(self) -> OutputConfig:
        """Where to."""
        return self.output or FileOutput(path=f"recommendations/{self.dataset}.csv")
