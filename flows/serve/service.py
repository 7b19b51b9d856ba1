"""The HTTP service with the champion of an MLflow registry: `python -m flows.serve --help`. Not a flow: it stays up."""

import logging
import os
import signal
import socket
import sys
from contextlib import suppress

import uvicorn

from flows.cli.checks import listen
from flows.registry.alias import CHAMPION, version_by_alias
from flows.registry.models import load_version, no_champion
from flows.registry.newest_log import load_log, published_log
from flows.serve.settings import ServeSettings
from flows.tracking.store import check_tracking
from flows.tracking.tracker import Tracker
from ncf.hardware import torch_threads
from ncf.serving.bundle import Bundle
from ncf.serving.http.app import create_app
from ncf.serving.http.live import Live, Served, State, Watcher

LOG = logging.getLogger("ncf.serving")
CONNECTIONS = 4  # for each request that may wait; idle connections cost little
SWITCH_SECONDS = 0.0005  # with Python's 0.005 requests are slow while a new model is loaded
MLFLOW_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # the next check comes soon
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def run_service(settings: ServeSettings, token: str | None) -> None:
    """Serve until a signal comes, in a process of its own; clients have to send the token, if there is one.

    Raises:
        ConfigError: the address is not free.
        ModelError: there is no champion, or it can't serve.
        TrackingError: MLflow does not answer.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises the signal again once it has stopped
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", force=True)
    logging.getLogger("ncf").setLevel(logging.INFO)
    sys.setswitchinterval(SWITCH_SECONDS)
    for key, value in MLFLOW_DEFAULTS.items():
        os.environ.setdefault(key, value)
    check_tracking()
    with suppress(KeyboardInterrupt), listen(settings.host, settings.port) as listener:
        serve(settings, token, listener)


def serve(settings: ServeSettings, token: str | None, listener: socket.socket) -> None:
    """Load the champion and the newest log, watch for the next, and answer until a signal comes."""
    source = ServingSource(Tracker(settings.dataset), settings.model_name)
    with torch_threads(1):  # a request is too small to use several threads
        state = source.find()
        if state is None:
            raise no_champion(settings)
        live = Live(source.load(state))
        app = create_app(live, settings.limits, token)
        host, port = listener.getsockname()[:2]
        LOG.info("version %d of %s serves on http://%s:%d (API: /docs)", state.version, source.name, host, port)
        with Watcher(live, source.find, source.load, settings.refresh_seconds):
            uvicorn.Server(_uvicorn(app, settings)).run(sockets=[listener])


class ServingSource:
    """Where the champion and the newest log come from: the registry.

    Args:
        tracker: of the data set.
        name: of the registered model.
    """

    def __init__(self, tracker: Tracker, name: str) -> None:
        self.tracker, self.name = tracker, name
        self._bundle: tuple[int, Bundle] | None = None  # so that a new log does not load the weights again

    def find(self) -> State | None:
        """What should serve now; None while there is no champion."""
        champion = version_by_alias(self.tracker.client, self.name, CHAMPION)
        if champion is None:
            return None
        version = int(champion.version)
        published = published_log(self.tracker.client, self.name)
        return (
            State(version, "")
            if published is None
            else State(version, published.fingerprint, published.refolds(champion.run_id))
        )

    def load(self, state: State) -> Served:
        """The version with the newest log, which may be newer than the one that was found.

        Raises:
            ModelError: either is missing or damaged.
        """
        if self._bundle is None or self._bundle[0] != state.version:
            self._bundle = state.version, load_version(self.tracker, self.name, state.version).bundle
        published = published_log(self.tracker.client, self.name) if state.log else None
        log = None if published is None else load_log(self.tracker, published)
        return Served.of(self.name, state.version, self._bundle[1], log, refold=state.refold)


def _uvicorn(app: object, settings: ServeSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # FastAPI is an ASGI application
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,  # logging a request costs more than answering it; /metrics counts them
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        limit_concurrency=settings.limits.most_waiting * CONNECTIONS,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.stop_seconds,
        lifespan="off",
        ws="none",
    )
