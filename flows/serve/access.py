"""Who can reach a server: its address, and the token of the service."""

import ipaddress
import socket
from collections.abc import Mapping

from ncf.errors import ConfigError

TOKEN_VARIABLE = "NCF_SERVE_TOKEN"


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


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address, or each address of a name."""
    return all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in _addresses(host))


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address.

    Raises:
        ConfigError: the address is not this machine's, or is taken.
    """
    family = socket.AF_INET6 if ":" in _addresses(host)[0] else socket.AF_INET
    # asyncio switches Nagle's algorithm off only if the protocol is named; else answers wait for a delayed ACK
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_addresses(host)[0], port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"can't listen on {host}, port {port}", got=error.strerror, do="choose others: --host, --port"
        ) from error
    return listener


def _addresses(host: str) -> list[str]:
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise ConfigError("the host has no address", got=host, do="give an address, or correct the name") from error
