"""What counts as a change: the thresholds. What is measured is in the modules beside this one."""

from pydantic import Field

from ncf.config import Settings


class ThresholdConfig(Settings):
    """From where on a change is worth a retraining, or a log is taken for damaged; an empty one is not looked at."""

    min_interactions: int = Field(
        default=500,
        ge=1,
        description="new interactions from which on anything is judged; with 500 PSI is 0.02 by chance alone, far "
        "below its thresholds, and a share is known within 5 points",
    )
    growth: float | None = Field(
        default=0.2,
        gt=0.0,
        description="new interactions divided by those that the champion knows; a fifth more data is worth learning",
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
        description="share of the new interactions whose user the champion does not know; beyond a half it answers "
        "more often with popular items than by what it has learned",
    )
    unknown_items: float | None = Field(
        default=0.1,
        ge=0.0,
        lt=1.0,
        description="share of the new interactions whose item the champion does not know, and so can't recommend; a "
        "tenth is one place of a list of 10",
    )
    activity_factor: float | None = Field(
        default=3.0,
        gt=1.0,
        description="interactions per day, so many times as many as before, or one divided by it; 3, since weekends "
        "and seasons make 2",
    )
    below_popularity: bool = Field(
        default=True,
        description="whether the champion's recommendations are surely worse than popular items: its NDCG@10 on what "
        "users did next, the whole 95 % interval of the difference",
    )
    accuracy_share: float | None = Field(
        default=0.5,
        gt=0.0,
        le=1.0,
        description="the champion's NDCG@10 on what users did next, divided by that of its test holdout; less than a "
        "half by the whole 95 % interval. What comes later is harder to foretell, so some loss is normal",
    )
    lost: float | None = Field(
        default=0.01,
        ge=0.0,
        lt=1.0,
        description="fault: share of the champion's interactions that the log has no more; empty for a log that "
        "forgets its oldest rows",
    )
    silence_hours: float | None = Field(
        default=None,
        gt=0.0,
        description="fault: hours since the log's newest interaction; empty: off, since many logs are of the past",
    )
    again: float = Field(
        default=2.0,
        gt=1.0,
        description="how many times as many new interactions as at the last event make another one, while the same "
        "thresholds are passed; 2 asks less and less often of a retraining that was not promoted",
    )
