"""The settings of the HTTP service."""

from pydantic import Field

from flows.prepare.settings import DatasetSettings
from ncf.serving.config import Limits

TOKEN_VARIABLE = "NCF_SERVE_TOKEN"


class ServeSettings(DatasetSettings):
    """Answer HTTP requests with the champion, and with a new one as soon as there is one."""

    host: str = Field(
        default="127.0.0.1",
        description=f"address to listen on; any but this machine's own needs a token in ${TOKEN_VARIABLE}",
    )
    port: int = Field(default=8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    refresh_seconds: float = Field(
        default=10.0, ge=0.1, le=86_400.0, description="seconds between two looks for a new champion; a look is cheap"
    )
    stop_seconds: int = Field(
        default=10, ge=0, le=3600, description="seconds that requests in work have after SIGTERM; they take less"
    )
    keep_alive_seconds: int = Field(
        default=75, ge=1, le=3600, description="seconds that an idle connection stays open; longer than a proxy's 60"
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(),
        description="addresses of proxies whose X-Forwarded-For is believed to have the client's address, by which "
        "requests_per_second counts; empty: none",
    )
    limits: Limits = Field(default_factory=Limits)
