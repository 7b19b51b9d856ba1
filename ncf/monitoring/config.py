"""Settings of the monitor: from when on a change is worth a retraining, or a log looks damaged."""

from pydantic import Field

from ncf.config import Settings


class ThresholdConfig(Settings):
    """From when on a change is worth a retraining, or a log looks damaged; an empty threshold is off."""

    min_interactions: int = Field(
        default=500,
        ge=1,
        description="with fewer new interactions, only faults are reported; with 500, PSI is 0.02 by chance alone, far "
        "below its threshold, and a share is known within 5 points",
    )
    growth: float | None = Field(
        default=0.2,
        gt=0.0,
        description="new interactions divided by those that the champion knows; a fifth is worth a retraining",
    )
    psi: float | None = Field(
        default=0.25,
        gt=0.0,
        description="popularity shift: below 0.1 is usually called stable, up to 0.25 a moderate change, beyond it a "
        "large one",
    )
    unknown_users: float | None = Field(
        default=0.5,
        ge=0.0,
        lt=1.0,
        description="share of new interactions by users whom the champion does not know; above a half it answers more "
        "often with popular items than from what it has learned",
    )
    unknown_items: float | None = Field(
        default=0.1,
        ge=0.0,
        lt=1.0,
        description="share of new interactions with items that the champion does not know and so can't recommend; a "
        "tenth is one position in a list of 10",
    )
    activity_factor: float | None = Field(
        default=3.0,
        gt=1.0,
        description="factor by which interactions per day have grown or fallen; 3, since weekends and seasons make 2",
    )
    below_popularity: bool = Field(
        default=True,
        description="report when the champion is surely worse than popular items: the whole 95 % interval of the "
        "difference in NDCG@10 on what users did next is below 0",
    )
    accuracy_share: float | None = Field(
        default=0.5,
        gt=0.0,
        le=1.0,
        description="the champion's NDCG@10 on what users did next, divided by that on its test holdout; reported when "
        "the whole 95 % interval is below it. The further future is harder to predict, so some loss is normal",
    )
    lost: float | None = Field(
        default=0.01,
        ge=0.0,
        lt=1.0,
        description="fault: share of the champion's interactions that are missing from the log; empty for a log that "
        "drops its oldest rows",
    )
    silence_hours: float | None = Field(
        default=None,
        gt=0.0,
        description="fault: hours since the log's newest interaction; empty: off, since many logs have ended",
    )
    again: float = Field(
        default=2.0,
        gt=1.0,
        description="factor by which the new interactions must grow for another event, while the same thresholds are "
        "exceeded; with 2, a retraining that was not promoted is requested less and less often",
    )
