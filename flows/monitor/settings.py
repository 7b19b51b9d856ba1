"""The settings of a look at the data."""

from pydantic import Field

from flows.prepare.settings import DataSettings
from ncf.hardware import HardwareConfig
from ncf.monitoring.config import ThresholdConfig


class MonitorSettings(DataSettings):
    """Compare the log as it is now with what the champion was trained on; source and data as for its retraining."""

    window_days: int = Field(
        default=28,
        ge=1,
        le=3650,
        description="days before the champion's newest interaction, with which the activity since is compared; 28 have "
        "as many of each weekday",
    )
    thresholds: ThresholdConfig = ThresholdConfig()
    hardware: HardwareConfig = Field(
        default=HardwareConfig(), description="threads and scoring_memory_mb; the champion is judged on the CPU"
    )
