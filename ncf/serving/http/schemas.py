"""The service's JSON: answers and errors, as OpenAPI describes them and as they are written; ids as they are read."""

import json
import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from starlette.responses import Response
from typing_extensions import override

from ncf.data.ids import IdKind
from ncf.errors import ConfigError, NCFError

SHOWN_CHARACTERS, SHOWN_OF_ID = 200, 100  # of a wrong value
LEFT_OUT = "left out if there is nothing to say"
JSON_OBJECT = 'a JSON object, such as {"item_ids": [1, 2]}'
ALLOWED_IDS: dict[IdKind, str] = {
    "int": "a 64-bit integer",
    "str": "a string",
    "uuid": "the text of a UUID, such as 123e4567-e89b-12d3-a456-426614174000",
}
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,19}")


class Recommendation(BaseModel):
    """One item of a list."""

    item_id: int | str = Field(description="ID of the item, with the type it has in the log; a UUID is text")
    title: str = Field(description="empty if unknown")
    rank: int = Field(ge=1, description="position in the list, from 1")
    score: float = Field(description="the model's logit, or the item's number of interactions; an exact float32")


class Recommendations(BaseModel):
    """The best items for one user."""

    model: str = Field(description="name of the registered model")
    version: int = Field(description="version of the registered model that answered")
    user_id: int | str | None = Field(description="as in the request")
    unknown_user: bool = Field(description="whether the model does not know the user_id of the request")
    source: str = Field(
        description="what the list is based on. model: the user's own vector; items: a vector fitted to the user's "
        "items in the log and the item_ids of the request; popularity: nothing is known about the user"
    )
    unknown_items: list[int | str] = Field(description="item_ids of the request that the model does not know")
    recommendations: list[Recommendation]


class Health(BaseModel):
    """Whether the service answers, and whether it answers with the newest champion."""

    status: str = Field(description="ok, or degraded: the service answers, but not with the newest champion")
    version: int | None = Field(default=None, description="version that answers; only with the token")
    problem: str | None = Field(default=None, description="problem with the newest champion; only with the token")
    since: str | None = Field(default=None, description="when the problem began, ISO 8601; only with the token")


class Version(BaseModel):
    """The model that answers."""

    model: str
    version: int
    kind: str = Field(description="gmf, mlp or neumf")
    dataset: str
    fingerprint: str = Field(description="fingerprint of the training data")
    log: str = Field(description="fingerprint of the log that says who the users are and what they have")
    num_users: int = Field(description="users in that log")
    num_items: int
    user_id: str = Field(description="type of user IDs: int, str or uuid")
    item_id: str = Field(description="type of item IDs: int, str or uuid")
    loaded: str = Field(description="when the model was loaded, ISO 8601")
    ncf: str = Field(description="version of ncf that serves it")


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


class ErrorFacts(BaseModel):
    """What was wrong, the value, what is allowed, and what to do."""

    what: str
    got: str = Field(default="", description=LEFT_OUT, json_schema_extra=_without_default)
    allowed: str = Field(default="", description=LEFT_OUT, json_schema_extra=_without_default)
    do: str = Field(default="", description=LEFT_OUT, json_schema_extra=_without_default)


class ErrorReply(BaseModel):
    """The answer to every request that fails."""

    error: ErrorFacts = Field(description="what was wrong, the value, what is allowed, and what to do")


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorReply, "description": description}
    for status, description in {
        400: "the body can't be read",
        401: "the token is missing or wrong",
        405: "the path does not support this method",
        408: "the body did not arrive in time",
        413: "the body is too large",
        422: "a value is not allowed",
        429: "too many requests from this client",
        500: "internal error of the service; see its log",
        503: "too many requests are waiting",
    }.items()
}


class JSONReply(Response):
    """JSON in ASCII, so that any text of a client can be repeated, and without NaN, which JSON does not have."""

    media_type = "application/json"

    @override
    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


class RefusedError(NCFError):
    """A request that is refused.

    Args:
        status: HTTP status.
        what, got, allowed, do: as in NCFError.
        headers: additional headers of the answer.
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
        self.headers = headers


def error_reply(status: int, error: NCFError, headers: Mapping[str, str] | None = None) -> JSONReply:
    """The answer for an error; a RefusedError brings its own status and headers."""
    if isinstance(error, RefusedError):
        status, headers = error.status, error.headers
    got = {} if error.got is None else {"got": str(error.got)[:SHOWN_CHARACTERS]}
    facts = {"what": error.what, **got, "allowed": error.allowed, "do": error.do}
    said = {key: value for key, value in facts.items() if value or key in ("what", "got")}
    return JSONReply({"error": said}, status, dict(headers or {}))


def invalid_request(error: Mapping[str, Any]) -> ConfigError:
    """Our error for one of pydantic's errors, as FastAPI reports it."""
    location = [str(part) for part in error["loc"]]
    name, got = ".".join(location), error.get("input")
    got = got if isinstance(got, str | int | float | bool) else None
    match error["type"], location:
        case "missing", ["body"]:
            return ConfigError("the body is missing", allowed=JSON_OBJECT, do="see /docs")
        case "missing", _:
            return ConfigError(f"{name} is missing", do="see /docs")
        case "extra_forbidden", _:
            do = "leave it out, or correct the name"
            return ConfigError(f"{name} is unknown", got=got, allowed="the fields shown in /docs", do=do)
        case "json_invalid", _:
            return ConfigError(f"the body is not valid JSON: error at character {location[-1]}", do="see /docs")
        case _, ["body"]:
            do = "send it with the header Content-Type: application/json"
            return ConfigError("the body is not a JSON object", got=got, allowed=JSON_OBJECT, do=do)
    return ConfigError(f"{name} is not allowed", got=got, allowed=str(error["msg"]), do="see /docs")


def id_from_text(text: str, kind: IdKind, name: str) -> Any:
    """An id from a query string, where everything is text.

    Raises:
        ConfigError: its type is not that of the model's ids.
    """
    return id_from_json(int(text) if kind == "int" and WHOLE_NUMBER.fullmatch(text) else text, kind, name)


def id_from_json(value: Any, kind: IdKind, name: str) -> Any:
    """An id from a JSON document.

    Raises:
        ConfigError: its type is not that of the model's ids.
    """
    try:
        if kind == "int" and type(value) is int and -(2**63) <= value < 2**63:
            return value
        if kind == "str" and isinstance(value, str):
            value.encode()  # half a surrogate pair can't be encoded
            return value
        if kind == "uuid" and isinstance(value, str):
            return UUID(value)
    except ValueError:
        pass
    got = value[:SHOWN_OF_ID] if isinstance(value, str) else value
    raise ConfigError(f"{name} is of the wrong type", got=got, allowed=ALLOWED_IDS[kind])
