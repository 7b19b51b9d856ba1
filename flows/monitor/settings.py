"""The settings of a check of the data."""

from pydantic import Field

from flows.prepare.settings import DataSettings
from ncf.hardware import HardwareConfig
from ncf.monitoring.config import ThresholdConfig


class MonitorSettings(DataSettings):
    """Compare the log with the champion's training data; use the source and data settings of its retraining."""

    window_days: int = Field(
        default=28,
        ge=1,
        le=3650,
        description="number of days before the champion's newest interaction whose activity is the baseline; 28 days "
        "have each weekday equally often",
    )
    thresholds: ThresholdConfig = ThresholdConfig()
    hardware: HardwareConfig = Field(
        default=HardwareConfig(), description="threads and scoring_memory_mb; the champion is measured on the CPU"
    )
