"""The HTTP service with the champion of an MLflow registry: `python -m flows.serve --help`. Not a flow: it stays up."""

import ipaddress
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence

import uvicorn
from mlflow.exceptions import MlflowException
from pydantic import Field

from flows.cli.options import parse
from flows.cli.preflight import no_champion
from flows.cli.subcommands import EXIT_FAILED, EXIT_USAGE, fail
from flows.prepare.settings import DatasetSettings
from flows.registry import models as registry
from flows.tracking.store import check_tracking
from flows.tracking.tracking import Tracker
from ncf.errors import ConfigError, NCFError
from ncf.hardware import torch_threads
from ncf.serving.http.app import create_app
from ncf.serving.http.limits import Limits
from ncf.serving.http.live import Live, Served
from ncf.serving.http.watch import Watcher

TOKEN_VARIABLE = "NCF_SERVE_TOKEN"
LOG = logging.getLogger("ncf.serving")
CONNECTIONS = 4  # for each request that may wait: idle ones cost little
SWITCH_SECONDS = 0.0005  # Python's 0.005 is what a request would wait, several times, while a new model is loaded
MLFLOW_HABITS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # the next look comes soon
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


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


def main(args: Sequence[str]) -> int:
    """Serve until a signal comes, in a process of its own. Returns the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises the signal again once it has stopped
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", force=True)
    logging.getLogger("ncf").setLevel(logging.INFO)
    sys.setswitchinterval(SWITCH_SECONDS)
    for key, value in MLFLOW_HABITS.items():
        os.environ.setdefault(key, value)
    return run(args)


def run(args: Sequence[str]) -> int:
    """The command itself: one line for an error. Returns the exit code."""
    try:
        settings = parse(ServeSettings, args)
        token = token_for(settings.host, os.environ)
    except NCFError as error:
        return fail(str(error), EXIT_USAGE)
    try:
        check_tracking()
        with listen(settings.host, settings.port) as listener:
            serve(settings, token, listener)
    except NCFError as error:
        return fail(str(error), EXIT_FAILED)
    except MlflowException as error:
        return fail(f"MLflow failed: {error.message[:500]}", EXIT_FAILED)
    except KeyboardInterrupt:
        pass
    return 0


def serve(settings: ServeSettings, token: str | None, listener: socket.socket) -> None:
    """Load the champion, watch for the next, and answer until a signal comes.

    Raises:
        ModelError: there is no champion, or it can't serve.
    """
    tracker, name = Tracker(settings.dataset), settings.model_name

    def find() -> int | None:
        return registry.champion_version(tracker, name)

    def load(version: int) -> Served:
        return Served.of(name, version, registry.load_version(tracker, name, version).bundle)

    with torch_threads(1):  # a request is too small to be shared between threads
        version = find()
        if version is None:
            raise no_champion(settings)
        live = Live(load(version))
        app = create_app(live, settings.limits, token)
        host, port = listener.getsockname()[:2]
        LOG.info("version %d of %s serves on http://%s:%d (what it answers: /docs)", version, name, host, port)
        with Watcher(live, find, load, settings.refresh_seconds):
            uvicorn.Server(_uvicorn(app, settings)).run(sockets=[listener])


def token_for(host: str, environment: Mapping[str, str]) -> str | None:
    """The token that clients have to send; None if none is asked for.

    Raises:
        ConfigError: others can reach the address and there is no token, or it can't be sent in a header.
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
    """Whether only this machine can reach an address; a name counts as what it stands for."""
    return all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in _addresses(host))


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address.

    Raises:
        ConfigError: the address is not this machine's, or is taken.
    """
    family = socket.AF_INET6 if ":" in _addresses(host)[0] else socket.AF_INET
    # with the protocol named, or asyncio leaves Nagle's algorithm on, and answers wait for the client's delayed ACK
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


def _uvicorn(app: object, settings: ServeSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # FastAPI is an ASGI application
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,  # a line a request would cost more than the answer; /metrics counts them
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        limit_concurrency=settings.limits.most_waiting * CONNECTIONS,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.stop_seconds,
        lifespan="off",
        ws="none",
    )
