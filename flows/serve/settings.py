"""The settings of the HTTP service, and the token that its clients send."""

from collections.abc import Mapping

from pydantic import Field

from flows.cli.checks import is_loopback
from flows.prepare.settings import DatasetSettings
from ncf.errors import ConfigError
from ncf.serving.config import Limits

TOKEN_VARIABLE = "NCF_SERVE_TOKEN"


class ServeSettings(DatasetSettings):
    """Answer HTTP requests with the champion, and load a new champion as soon as there is one."""

    host: str = Field(
        default="127.0.0.1",
        description=f"address to listen on; any but a loopback address needs a token in ${TOKEN_VARIABLE}",
    )
    port: int = Field(default=8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    refresh_seconds: float = Field(
        default=10.0, ge=0.1, le=86_400.0, description="seconds between two checks for a new champion, which are cheap"
    )
    stop_seconds: int = Field(
        default=10, ge=0, le=3600, description="seconds that running requests have to finish after SIGTERM"
    )
    keep_alive_seconds: int = Field(
        default=75,
        ge=1,
        le=3600,
        description="seconds that an idle connection stays open; proxies have 60 or less",
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(),
        description="addresses of proxies whose X-Forwarded-For is trusted to have the client's address, by which "
        "requests_per_second counts; empty: none",
    )
    limits: Limits = Field(default_factory=Limits)


def token_for(host: str, environment: Mapping[str, str]) -> str | None:
    """The token that clients must send, or None.

    Raises:
        ConfigError: other machines can reach the address and there is no token, or no header can carry it.
    """
    token = environment.get(TOKEN_VARIABLE, "")
    if not token and not is_loopback(host):
        raise ConfigError(
            "other machines can reach this address, and there is no token",
            got=host,
            allowed="127.0.0.1, ::1 or localhost without a token",
            do=f"put a long random text into ${TOKEN_VARIABLE}: python -c 'import secrets; "
            "print(secrets.token_urlsafe(32))'",
        )
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise ConfigError(f"${TOKEN_VARIABLE} can't be sent in a header", allowed="visible ASCII letters, no spaces")
    return token or None
