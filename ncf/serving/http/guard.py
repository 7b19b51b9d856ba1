"""What a client may request (sizes, rates, the token), checked before any work; and the metrics of all requests."""

import asyncio
import hmac
import math
import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

from ncf.serving.config import Limits
from ncf.serving.http.live import Live
from ncf.serving.http.schemas import RefusedError, error_reply

PATHS = ("/recommendations", "/healthz", "/version", "/metrics")
OTHER = "other"  # one label for all other paths, so that clients can't create any number of them
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
MOST_CLIENTS = 10_000  # remembered; the one that was away longest is forgotten first
OPEN_PATHS = ("/healthz",)  # answered without the token, with fewer details, for whoever restarts the service
TRUSTED = "ncf.trusted"  # key of the scope: whether the token was right, or none is required


class ServiceMetrics:
    """Counts and times requests.

    Args:
        live: the model that answers.
    """

    def __init__(self, live: Live) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "ncf_requests", "Requests answered", ["path", "method", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "ncf_request_seconds",
            "Seconds from the arrival of a request to its answer",
            ["path"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._answers = Counter("ncf_answers", "Lists recommended, by source", ["source"], registry=self.registry)
        self.registry.register(_LiveModel(live))

    def count_request(self, path: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        name = path if path in PATHS else OTHER
        self._requests.labels(name, method if method in ("GET", "POST") else OTHER, str(status)).inc()
        self._seconds.labels(name).observe(seconds)

    def count_answer(self, source: str) -> None:
        """Count a recommended list."""
        self._answers.labels(source).inc()


class _LiveModel(Collector):
    """Gauges of the model that answers, read when Prometheus collects them."""

    def __init__(self, live: Live) -> None:
        self._live = live

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        live = self._live
        values = {
            "ncf_model_version": ("Version of the registered model that answers", live.current.version),
            "ncf_model_loaded_seconds": (
                "When the model was loaded, in seconds since 1970",
                live.current.loaded.timestamp(),
            ),
            "ncf_model_swaps": ("Models swapped in since the start", live.swaps),
            "ncf_problem": ("1 while the newest champion can't be found or loaded", int(live.problem is not None)),
        }
        for name, (text, value) in values.items():
            yield GaugeMetricFamily(name, text, value=value)


class Rates:
    """Limits the requests of each client by a token bucket, in bounded memory.

    Args:
        per_second: requests per second; those of one second, but at least one, may come at once.
    """

    def __init__(self, per_second: float) -> None:
        self._per_second, self._most = per_second, max(1.0, per_second)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # client -> (requests left, at this time)

    def wait(self, client: str, now: float) -> float:
        """Seconds by which this client's request is too early; 0 lets it pass and counts it.

        Args:
            client: identifies the client.
            now: seconds of a monotonic clock.
        """
        left, since = self._left.pop(client, (self._most, now))
        left = min(self._most, left + (now - since) * self._per_second)
        passes = left >= 1
        self._left[client] = (left - 1 if passes else left, now)
        if len(self._left) > MOST_CLIENTS:
            self._left.popitem(last=False)
        return 0.0 if passes else (1 - left) / self._per_second


class Guard:
    """ASGI middleware: a request passes with its whole body read, or is refused before any work.

    Args:
        app: the service.
        limits: sizes and rates.
        token: what a client must send as `Authorization: Bearer TOKEN`; None: no token is required.
        metrics: counts every answer, refusals included.
    """

    def __init__(self, app: ASGIApp, *, limits: Limits, token: str | None, metrics: ServiceMetrics) -> None:
        self._app, self._limits, self._metrics = app, limits, metrics
        self._token = None if token is None else token.encode()
        self._rates = Rates(limits.requests_per_second)
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started, status = time.perf_counter(), 500
        self._waiting += 1

        async def send_and_note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            try:
                body = await self._admit(scope, receive)
            except RefusedError as refusal:
                return await error_reply(refusal.status, refusal)(scope, receive, send_and_note_status)
            return await self._app(scope, _replay(body, receive), send_and_note_status)
        finally:
            self._waiting -= 1
            self._metrics.count_request(scope["path"], scope["method"], status, time.perf_counter() - started)

    async def _admit(self, scope: Scope, receive: Receive) -> bytes:
        """The request's body.

        Raises:
            RefusedError: the request may not pass.
        """
        limits, headers = self._limits, dict(scope["headers"])
        scope[TRUSTED] = self._token is None or _has_token(headers, self._token)
        client = scope["client"][0] if scope.get("client") else ""
        if (seconds := self._rates.wait(client, time.monotonic())) > 0:
            raise RefusedError(
                429,
                "too many requests from this client",
                allowed=f"{limits.requests_per_second:g} per second",
                do="try again later",
                headers={"Retry-After": str(math.ceil(seconds))},
            )
        if not scope[TRUSTED] and scope["path"] not in OPEN_PATHS:
            raise RefusedError(
                401,
                "the token is missing or wrong",
                do="send the header Authorization: Bearer TOKEN",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if self._waiting > limits.most_waiting:
            raise RefusedError(
                503,
                "too many requests are waiting",
                allowed=str(limits.most_waiting),
                do="try again later",
                headers={"Retry-After": "1"},
            )
        announced = headers.get(b"content-length", b"0")
        if announced.isdigit() and len(announced) < 20:
            self._check_size(int(announced))
        try:
            async with asyncio.timeout(limits.body_seconds):
                return await self._read(receive)
        except TimeoutError as error:
            allowed, close = f"{limits.body_seconds:g} seconds", {"Connection": "close"}
            raise RefusedError(408, "the body did not arrive in time", allowed=allowed, headers=close) from error

    async def _read(self, receive: Receive) -> bytes:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RefusedError(400, "the client left before the whole body had arrived")
            body += message.get("body", b"")
            self._check_size(len(body))
            if not message.get("more_body", False):
                return bytes(body)

    def _check_size(self, size: int) -> None:
        if size > self._limits.max_body_bytes:
            raise RefusedError(
                413,
                "the body is too large",
                got=size,
                allowed=f"{self._limits.max_body_bytes} bytes",
                do="send fewer item_ids",
                headers={"Connection": "close"},
            )


def _has_token(headers: dict[bytes, bytes], token: bytes) -> bool:
    scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
    return hmac.compare_digest(given.strip(), token) and scheme.lower() == b"bearer"


def _replay(body: bytes, receive: Receive) -> Receive:
    """Receives the body as one message, then whatever else comes."""
    first: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return first.pop() if first else await receive()

    return receive_again
