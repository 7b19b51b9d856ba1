"""How an interaction log becomes a prepared data set: settings of the choices."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ncf.config import Settings
from ncf.data import TimeUnit


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
    seed: int = Field(default=0, ge=0, lt=2**63, description="seed of what is held out at random")

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


class IdRules(Settings):
    """Which ids that are written differently are one, and whether a word for nothing is an id."""

    strip: bool = Field(
        default=False, description="take blanks and invisible characters, such as a byte order mark, off both ends"
    )
    lower: bool = Field(default=False, description="write ids in small letters")
    nfc: bool = Field(default=False, description="compose letters and their accents (Unicode's form NFC)")
    null_words: Literal["refuse", "keep"] = Field(
        default="refuse",
        description="what becomes of ids such as NULL, nan, None, N/A, or the column's own name, which a second header "
        "leaves: refuse, with their lines; or keep them as ids",
    )


def _known_directives(time_format: str | None) -> str | None:
    if time_format is not None:
        datetime.strptime(datetime(2001, 12, 31, 23, 59, 58, tzinfo=UTC).strftime(time_format), time_format)
    return time_format


TimeFormat: TypeAlias = Annotated[
    str | None,
    AfterValidator(_known_directives),
    Field(
        description="of times that are text but not ISO 8601, in Python's notation, such as '%d/%m/%Y %H:%M'; empty: "
        "ISO 8601"
    ),
]


def check_times(time_unit: TimeUnit, time_format: str | None) -> None:
    """Refuse two ways of reading times at once.

    Raises:
        ValueError: both are given.
    """
    if time_format is not None and time_unit != "auto":
        raise ValueError("time_format is for text, time_unit for numbers: give one of them")


NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")


def plain_value(value: Any) -> str:
    """A value as text, so that 1, 1.0 and "1" are one, and so are True, "true" and "True"; "" if there is none."""
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return str(bool(value)).lower()
    if isinstance(value, int | float | Decimal):
        return str(int(value)) if math.isfinite(value) and value == int(value) else str(float(value))
    text = str(value)
    if NUMBER.fullmatch(text):
        return plain_value(Decimal(text))
    return text.lower() if text.lower() in ("true", "false") else text


def _several(values: Any) -> Any:
    """One value as a list of one; anything else must be a list, or a rating for each value."""
    plain = str | int | float | None
    if isinstance(values, plain):
        return (values,)
    rated = isinstance(values, Mapping) and all(isinstance(rating, int | float) for rating in values.values())
    listed = isinstance(values, list | tuple) and all(isinstance(value, plain) for value in values)
    if not values or not (rated or listed):
        raise ValueError('allowed are values, such as ["view", "purchase"], or a rating for each, {"view": 1}')
    return values


Value: TypeAlias = Annotated[str, BeforeValidator(plain_value)]
Values: TypeAlias = Annotated[
    Annotated[dict[Value, float], Field(min_length=1)] | Annotated[tuple[Value, ...], Field(min_length=1)],
    BeforeValidator(_several),
]
Where: TypeAlias = Annotated[
    dict[Annotated[str, BeforeValidator(str)], Values],
    Field(
        description='rows to take: a column -> its values, {"event": ["view", "purchase"]}; or -> a rating for each, '
        '{"event": {"view": 1, "purchase": 5}}; of several columns all must hold; empty: all rows'
    ),
]


def check_where(where: Where, rating: object) -> None:
    """Refuse two ratings for a row.

    Raises:
        ValueError: two columns of `where` have ratings, or one has, and a column of ratings is set.
    """
    weighted = [column for column, values in where.items() if isinstance(values, dict)]
    if len(weighted) > 1 or (weighted and rating is not None):
        others = " and ".join([*weighted, *(["columns.rating"] if rating is not None else [])])
        raise ValueError(f"a row has one rating, but several are given: by {others}")
