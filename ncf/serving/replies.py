"""JSON as the service writes it, and its errors."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import Response
from typing_extensions import override

from ncf.errors import NCFError

SHOWN = 200  # characters of a wrong value


class ErrorFacts(BaseModel):
    """What was wrong, the value got, what is allowed, what to do."""

    what: str
    got: str | None = None
    allowed: str = ""
    do: str = ""


class ErrorReply(BaseModel):
    """Every answer that is no success."""

    error: ErrorFacts = Field(description="what was wrong, the value got, what is allowed, what to do")


class RefusedError(NCFError):
    """A request that is not answered, with its HTTP status.

    Args:
        status: of HTTP.
        what, got, allowed, do: as in NCFError.
        headers: further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        what: str,
        *,
        got: object = None,
        allowed: str = "",
        do: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(what, got=got, allowed=allowed, do=do)
        self.status = status
        self.headers = dict(headers or {})


class JSONReply(Response):
    """Plain ASCII, so that any text a client sent can be said back, and no NaN, which JSON does not have."""

    media_type = "application/json"

    @override
    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def error_reply(status: int, error: NCFError, headers: Mapping[str, str] | None = None) -> JSONReply:
    """An error as an answer."""
    got = None if error.got is None else str(error.got)[:SHOWN]
    facts = {"what": error.what, "got": got, "allowed": error.allowed, "do": error.do}
    return JSONReply({"error": facts}, status, dict(headers or {}))


def refusal_reply(refusal: RefusedError) -> JSONReply:
    """A refusal as an answer."""
    return error_reply(refusal.status, refusal, refusal.headers)
