"""What a client may ask of the service, as settings."""

from pydantic import Field

from ncf.config import Settings
from ncf.hardware import available_cores


class Limits(Settings):
    """Sizes and rates that the service is bound to."""

    max_k: int = Field(default=100, ge=1, le=10_000, description="most items of one answer; more is for the batch file")
    max_items: int = Field(
        default=1_000, ge=1, le=100_000, description="most item ids sent along; a user's recent history is shorter"
    )
    max_body_bytes: int = Field(
        default=65_536, ge=256, le=2**26, description="most bytes of a request's body; 1,000 UUIDs are 40,000"
    )
    body_seconds: float = Field(
        default=5.0, gt=0.0, le=600.0, description="seconds for a request's body to arrive; a kilobyte takes none"
    )
    requests_per_second: float = Field(
        default=1_000.0,
        gt=0.0,
        le=1e9,
        description="requests a second of one client, by its address; one second's worth may come at once. More than "
        "a single server's core does, so that it stops floods alone",
    )
    most_waiting: int = Field(
        default=256,
        ge=1,
        le=100_000,
        description="requests in work or waiting at the same time; one more is refused, so that none waits for long",
    )
    workers: int = Field(
        default_factory=available_cores,
        ge=1,
        le=1024,
        description="threads that score, one request each; empty: one a core",
    )
