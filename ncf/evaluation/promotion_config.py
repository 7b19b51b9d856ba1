"""When a challenger takes the champion's place: the settings. The rule is in `promotion`."""

from pydantic import Field

from ncf.config import Settings


class GuardConfig(Settings):
    """Further conditions on a challenger that is better; each is off while it is empty."""

    minimum_coverage: float | None = Field(
        default=None,
        ge=0.0,
        description="the challenger's coverage@10 of the catalogue divided by the champion's, at least; 0.9 lets it "
        "lose a tenth; empty: off, since many shops do not mind",
    )
    maximum_cold_loss: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="HR@10 that users with few train interactions may lose, at most, as a difference of shares; empty: "
        "off, since they are few in most logs and their mean is noisy",
    )
    cold_interactions: int = Field(
        default=10, ge=1, description="a user with so many train interactions or fewer counts as one with few"
    )
    maximum_seconds: float | None = Field(
        default=None,
        gt=0.0,
        description="seconds for the top 10 of 1,000 users on the CPU, at most; empty: off, since it depends on the "
        "machine that decides",
    )
    maximum_size_mb: float | None = Field(
        default=None, gt=0.0, description="MB of the challenger's files, at most; empty: off"
    )


class PromotionConfig(Settings):
    """When a challenger takes the champion's place."""

    confidence: float = Field(
        default=0.95,
        gt=0.5,
        lt=1.0,
        description="of the two-sided interval of the gain; the challenger is promoted only if its lower end is above "
        "minimum_gain; 0.95 is what is usual",
    )
    minimum_gain: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description="NDCG@10 that the lower end must exceed; 0: any gain that is not chance is worth a change",
    )
    resamples: int = Field(
        default=10_000,
        ge=200,
        le=1_000_000,
        description="bootstrap resamples of the users; with 10,000 the interval's ends waver by 1 % of its width",
    )
    seed_widening: float = Field(
        default=1.5,
        ge=1.0,
        le=100.0,
        description="how many times as wide as sampling of users alone makes it the interval is, since another seed "
        "gives another model too; 1.5, the most that was measured, is cautious (docs/decisions/promotion.md); 1 "
        "believes in the users alone",
    )
    count_challengers: bool = Field(
        default=True,
        description="the interval grows with each challenger that the same test holdout has judged before: of many "
        "nightly ones some are lucky, and one lucky night is enough",
    )
    guards: GuardConfig = GuardConfig()
