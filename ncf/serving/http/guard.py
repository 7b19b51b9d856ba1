"""How often a client may ask: a token bucket each, in bounded memory."""

import asyncio
import hmac
import math
import time
from collections import OrderedDict
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ncf.serving.http.limits import Limits
from ncf.serving.http.metrics import Measured
from ncf.serving.http.replies import RefusedError, refusal_reply

MOST_CLIENTS = 10_000  # remembered; the one that was away longest is forgotten first


class Rates:
    """Counts requests by client.

    Args:
        per_second: requests a second; one second's worth, but at least one, may come at once.
    """

    def __init__(self, per_second: float) -> None:
        self._per_second, self._most = per_second, max(1.0, per_second)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # client -> (requests left, at this time)

    def wait(self, client: str, now: float) -> float:
        """Seconds that this client's request comes too early; 0 lets it pass and counts it.

        Args:
            client: whatever tells clients apart.
            now: seconds of a clock that only goes forward.
        """
        left, since = self._left.pop(client, (self._most, now))
        left = min(self._most, left + (now - since) * self._per_second)
        passes = left >= 1
        self._left[client] = (left - 1 if passes else left, now)
        if len(self._left) > MOST_CLIENTS:
            self._left.popitem(last=False)
        return 0.0 if passes else (1 - left) / self._per_second


OPEN_PATHS = ("/healthz",)  # answered without the token, for whoever restarts the service; it then says less
TRUSTED = "ncf.trusted"  # key of the scope: whether the token was right, or none is asked for


class Guard:
    """ASGI middleware. A request passes with its whole body read, or is refused before any work.

    Args:
        app: the service.
        limits: sizes and rates.
        token: what a client has to send, as `Authorization: Bearer TOKEN`; None asks for none.
        measured: counts every answer, refusals too.
    """

    def __init__(self, app: ASGIApp, *, limits: Limits, token: str | None, measured: Measured) -> None:
        self._app, self._limits, self._measured = app, limits, measured
        self._token = None if token is None else token.encode()
        self._rates = Rates(limits.requests_per_second)
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started, status = time.perf_counter(), 500
        self._waiting += 1

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            try:
                body = await self._admit(scope, receive)
            except RefusedError as refusal:
                return await refusal_reply(refusal)(scope, receive, counted)
            return await self._app(scope, _replayed(body, receive), counted)
        finally:
            self._waiting -= 1
            self._measured.request(scope["path"], scope["method"], status, time.perf_counter() - started)

    async def _admit(self, scope: Scope, receive: Receive) -> bytes:
        """The request's body.

        Raises:
            RefusedError: the request may not pass.
        """
        headers = dict(scope["headers"])
        scope[TRUSTED] = self._token is None or _has_token(headers, self._token)
        client = scope["client"][0] if scope.get("client") else ""
        if (seconds := self._rates.wait(client, time.monotonic())) > 0:
            raise RefusedError(
                429,
                "too many requests of this client",
                allowed=f"{self._limits.requests_per_second:g} a second",
                do="ask again later",
                headers={"Retry-After": str(math.ceil(seconds))},
            )
        if not scope[TRUSTED] and scope["path"] not in OPEN_PATHS:
            raise RefusedError(
                401,
                "the token is missing or wrong",
                do="send the header Authorization: Bearer TOKEN",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if self._waiting > self._limits.most_waiting:
            raise RefusedError(
                503,
                "too many requests are waiting",
                allowed=str(self._limits.most_waiting),
                do="ask again later",
                headers={"Retry-After": "1"},
            )
        return await self._read(headers, receive)

    async def _read(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        most = self._limits.max_body_bytes
        told = headers.get(b"content-length", b"0")
        if told.isdigit() and len(told) < 20 and int(told) > most:
            raise _too_large(int(told), most)
        parts, size = [], 0
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise RefusedError(400, "the client left before the request's body was there")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        raise _too_large(size, most)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError as error:
            raise RefusedError(
                408,
                "the request's body did not arrive in time",
                allowed=f"{self._limits.body_seconds:g} seconds",
                headers={"Connection": "close"},
            ) from error


def _has_token(headers: dict[bytes, bytes], token: bytes) -> bool:
    scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
    return hmac.compare_digest(given.strip(), token) and scheme.lower() == b"bearer"


def _too_large(size: int, most: int) -> RefusedError:
    return RefusedError(
        413,
        "the request's body is too large",
        got=size,
        allowed=f"{most} bytes",
        do="send fewer item ids",
        headers={"Connection": "close"},
    )


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body as one message, then whatever else comes."""
    first: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return first.pop() if first else await receive()

    return again
