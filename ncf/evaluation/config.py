"""Settings of evaluation: when a challenger becomes the champion; and the defaults of baselines."""

from typing import Literal

from pydantic import Field

from ncf.config import Settings

NEIGHBOURS, SHRINKAGE = 20, 10.0  # of ItemKNN
EASE_L2 = 300.0


class GuardConfig(Settings):
    """Additional conditions for a challenger that is better; each is off while it is empty."""

    minimum_coverage: float | None = Field(
        default=None,
        ge=0.0,
        description="minimum of the challenger's coverage@10 of the catalogue divided by the champion's; 0.9 allows a "
        "loss of a tenth. Empty: off, since many shops do not mind",
    )
    maximum_cold_loss: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="maximum loss of HR@10 for users with few train interactions, as a difference of shares. Empty: "
        "off, since most logs have few such users, and their mean is noisy",
    )
    cold_interactions: int = Field(
        default=10, ge=1, description="users with at most this many train interactions count as users with few"
    )
    maximum_seconds: float | None = Field(
        default=None,
        gt=0.0,
        description="maximum seconds for the top 10 of 1,000 users on the CPU. Empty: off, since it depends on the "
        "machine that decides",
    )
    maximum_size_mb: float | None = Field(
        default=None, gt=0.0, description="maximum size of the challenger's files in MB. Empty: off"
    )


class PromotionConfig(Settings):
    """When a challenger becomes the champion."""

    newer_data: Literal["wins ties", "surely better"] = Field(
        default="wins ties",
        description="a challenger on newer data than the champion's is promoted unless it is worse by more than the "
        "margin (wins ties), or only if it is surely better, as one on the same data",
    )
    margin: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="NDCG@10 that a challenger on newer data may lose; never less than the holdout can tell. Empty: "
        "0.002 or 2 % of the champion's, whichever is more",
    )
    anchor_days: int = Field(
        default=30,
        ge=0,
        le=3660,
        description="days for which the best champion, the anchor, keeps its weights, and limits what challengers on "
        "newer data may lose together; 0: no limit",
    )
    first: Literal["surely", "average"] = Field(
        default="surely",
        description="a first champion must be surely better than popularity, or only on average",
    )
    minimum_users: int = Field(
        default=200,
        ge=0,
        description="a holdout of fewer users is said to decide little, before the training and in the verdict",
    )
    confidence: float = Field(
        default=0.95,
        gt=0.5,
        lt=1.0,
        description="confidence of the two-sided interval of the gain; a challenger is surely better if the lower "
        "end is above minimum_gain",
    )
    minimum_gain: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description="NDCG@10 that the lower end must exceed; 0: any gain that is not chance is worth a change",
    )
    seed_widening: float = Field(
        default=1.5,
        ge=1.0,
        le=100.0,
        description="factor by which the interval is wider than sampling of users alone makes it, since another seed "
        "gives another model; the default is the largest factor measured (docs/decisions/promotion.md); 1 considers "
        "only the users",
    )
    count_challengers: bool = Field(
        default=True,
        description="widen the interval for each earlier challenger on the same test holdout: of many nightly "
        "challengers some are lucky, and one lucky night is enough",
    )
    guards: GuardConfig = GuardConfig()
