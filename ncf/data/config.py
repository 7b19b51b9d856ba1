"""How an interaction log becomes a prepared data set: settings of the choices."""

from datetime import datetime
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from ncf.config import Settings


def _with_zone(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise ValueError("a time needs its zone, such as 2025-01-31T00:00:00Z")
    return time


Time: TypeAlias = Annotated[datetime, AfterValidator(_with_zone)]


class FeedbackConfig(Settings):
    """What a rating means."""

    kind: Literal["implicit", "explicit"] = Field(
        default="implicit",
        description="implicit: an observed pair has label 1; explicit: its label is the rating, scaled to [0, 1]; an "
        "unobserved pair has label 0 in both",
    )
    threshold: float | None = Field(
        default=None,
        description="implicit: only ratings of at least this much count as interactions; for a repeated pair, the "
        "rating that is kept, or the sum; empty: every row counts",
    )
    below_threshold: Literal["seen", "unseen"] = Field(
        default="seen",
        description="seen: an item that a user rated below the threshold is not recommended to them; unseen: it may be",
    )
    scale: tuple[float, float] | None = Field(
        default=None,
        description="lowest and highest possible rating; any other is refused; explicit feedback needs it",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.scale is not None and not self.scale[0] < self.scale[1]:
            raise ValueError(f"the scale must go from the lowest to the highest rating, got {self.scale}")
        if self.kind == "explicit" and self.scale is None:
            raise ValueError("explicit feedback needs scale, the lowest and the highest possible rating")
        if self.kind == "explicit" and self.threshold is not None:
            raise ValueError("threshold is for implicit feedback; explicit feedback takes every rating")
        return self


class FilterConfig(Settings):
    """Which rows are left out, in this order; each stage sees what the one before has left.

    A source that brings its own split takes `repeated` (within a part) and `max_users` alone.
    """

    as_of: Time | None = Field(default=None, description="the log as it was then: only rows before this time")
    repeated: Literal["last", "first", "sum"] = Field(
        default="last",
        description="row of a repeated pair to keep: the newest, the oldest, or the newest with all ratings summed",
    )
    users_active_since: Time | None = Field(
        default=None, description="leave out users whose newest interaction is before this time"
    )
    items_active_since: Time | None = Field(
        default=None, description="leave out items whose newest interaction is before this time"
    )
    min_per_user: int = Field(default=1, ge=1, description="leave out users with fewer interactions")
    min_per_item: int = Field(
        default=1, ge=1, description="leave out items with fewer; both again until nothing changes (the k-core)"
    )
    max_users: int | None = Field(
        default=None,
        ge=2,
        description="keep only the users with the smallest ids, for a quick trial; empty keeps all",
    )


class SplitConfig(Settings):
    """What is held out."""

    kind: Literal["leave-one-out", "temporal", "random"] = Field(
        default="leave-one-out",
        description="leave-one-out: each user's newest interaction is the test, the one before it the validation; "
        "temporal: each user's first interaction in either of two spans of time, trained on what was before them; "
        "random: any two of each user's (used instead of leave-one-out for a log without times, which the report "
        "says). leave-one-out and random need 3 interactions of a user. A source with its own split keeps it",
    )
    validation_from: Time | None = Field(
        default=None, description="temporal: train before, validate from here on, up to test_from"
    )
    test_from: Time | None = Field(default=None, description="temporal: test from here on")
    seed: int = Field(default=0, ge=0, lt=2**63, description="random: seed of what is held out")

    @model_validator(mode="after")
    def _times_of_temporal(self) -> Self:
        times = (self.validation_from, self.test_from)
        if self.kind != "temporal":
            if times != (None, None):
                raise ValueError(f"validation_from and test_from are for the temporal split, not {self.kind}")
        elif self.validation_from is None or self.test_from is None:
            raise ValueError("the temporal split needs validation_from and test_from")
        elif self.validation_from >= self.test_from:
            raise ValueError("validation_from must be before test_from")
        return self


class DataConfig(Settings):
    """How an interaction log becomes a prepared data set."""

    feedback: FeedbackConfig = FeedbackConfig()
    filters: FilterConfig = FilterConfig()
    split: SplitConfig = SplitConfig()
    num_candidates: int = Field(
        default=99,
        ge=1,
        le=10_000,
        description="unseen items ranked beside each held-out item in the sampled protocol; 99 as in the paper",
    )
    candidate_seed: int = Field(
        default=0,
        ge=0,
        lt=2**63,
        description="seed of those candidates; not the training seed, so that runs with different seeds are comparable",
    )
