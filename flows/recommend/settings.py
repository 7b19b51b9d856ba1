"""The settings of a batch of recommendations."""

from pydantic import Field

from flows.prepare.settings import DatasetSettings
from ncf.hardware import HardwareConfig
from ncf.serving.batch.lists import BLOCK_ROWS
from ncf.serving.config import FileOutput, ItemFilters, OutputConfig, UserChoice


class RecommendSettings(DatasetSettings):
    """Write the champion's best items for many users into a file or a table; needs no log."""

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
    def place(self) -> OutputConfig:
        """Where to."""
        return self.output or FileOutput(path=f"recommendations/{self.dataset}.csv")
