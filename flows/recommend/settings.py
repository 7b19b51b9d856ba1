"""The settings of a batch of recommendations."""

from pydantic import Field

from flows.prepare.settings import DatasetSettings
from ncf.hardware import HardwareConfig
from ncf.serving.config import BLOCK_ROWS, FileOutput, ItemFilters, OutputConfig, UserChoice


class RecommendSettings(DatasetSettings):
    """Write the champion's recommendations for many users into a file or a table; needs no log."""

    top_k: int = Field(
        default=10, ge=1, le=1_000_000, description="recommendations per user; at most as many as there are items"
    )
    users: UserChoice = UserChoice()
    filters: ItemFilters = ItemFilters()
    output: OutputConfig | None = Field(
        default=None,
        description="destination: path (.parquet, .csv, .csv.gz; also an fsspec URL), or table of a database; empty: "
        "recommendations/NAME.csv in the working folder",
    )
    block_rows: int = Field(
        default=BLOCK_ROWS,
        ge=1,
        le=100_000_000,
        description="most recommendations held in memory, which an interruption loses; at least one user's",
    )
    hardware: HardwareConfig = Field(
        default=HardwareConfig(), description="threads and scoring_memory_mb; recommendations are computed on the CPU"
    )

    @property
    def destination(self) -> OutputConfig:
        """The output, or by default a file in the working folder."""
        return self.output or FileOutput(path=f"recommendations/{self.dataset}.csv")
