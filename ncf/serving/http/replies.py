"""JSON as the service writes it, and its errors."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import Response
from typing_extensions import override

from ncf.errors import ConfigError, NCFError

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


JSON_OBJECT = "a JSON object, such as"


def wrong_value(error: Mapping[str, Any]) -> ConfigError:
    """The first thing that is wrong.

    Args:
        error: one of pydantic's, as FastAPI hands it on.
    """
    location = [str(part) for part in error["loc"]]
    name, got = ".".join(location), error.get("input")
    shown = got if isinstance(got, str | int | float | bool) else None
    match error["type"], location:
        case "missing", ["body"]:
            return ConfigError("the body is missing", allowed=f'{JSON_OBJECT} {{"item_ids": [1, 2]}}', do="see /docs")
        case "missing", _:
            return ConfigError(f"{name} is missing", do="see /docs")
        case "extra_forbidden", _:
            return ConfigError(
                f"{name} is not known", got=shown, allowed="what /docs shows", do="leave it out, or correct the name"
            )
        case "json_invalid", _:
            place = f"; it goes wrong at character {location[-1]}"
            return ConfigError(f"the body is no JSON{place}", do="see /docs")
        case _, ["body"]:
            return ConfigError(
                "the body is no JSON object",
                got=shown,
                allowed=f'{JSON_OBJECT} {{"item_ids": [1, 2]}}',
                do="send it with the header Content-Type: application/json",
            )
    return ConfigError(f"{name} is not allowed", got=shown, allowed=str(error["msg"]), do="see /docs")


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorReply, "description": description}
    for status, description in {
        400: "the body can't be read",
        401: "the token is missing or wrong",
        405: "the path has no such method",
        408: "the body did not arrive in time",
        413: "the body is too large",
        422: "a value is not allowed",
        429: "too many requests of this client",
        500: "a fault of the service; its log has it",
        503: "too many requests are waiting",
    }.items()
}


class Recommendation(BaseModel):
    """One item of a list."""

    item_id: int | str = Field(description="of the type it has in the log; UUIDs as text")
    title: str = Field(description="empty where unknown")
    rank: int = Field(ge=1, description="place in the list, from 1")
    score: float = Field(description="the model's logit, or the number of interactions; exactly a float32")


class Recommendations(BaseModel):
    """The best items of one user."""

    model: str = Field(description="name of the registered model")
    version: int = Field(description="its version that answered")
    user_id: int | str | None = Field(description="as it was asked for")
    source: str = Field(
        description="model: by the user's own vector; items: by a vector fitted to the items sent along; popularity: "
        "nothing is known of the user"
    )
    unknown_items: list[int | str] = Field(description="of the items sent along, those that the model does not know")
    recommendations: list[Recommendation]


class Health(BaseModel):
    """Whether the service answers, and with the newest champion."""

    status: str = Field(description="ok; or degraded: it answers, but not with the newest champion")
    version: int | None = Field(default=None, description="the version that answers; with the token only")
    problem: str | None = Field(default=None, description="what is wrong with the newest champion; with the token only")
    since: str | None = Field(default=None, description="since when it is wrong, ISO 8601; with the token only")


class Version(BaseModel):
    """What answers."""

    model: str
    version: int
    kind: str = Field(description="gmf, mlp or neumf")
    dataset: str
    fingerprint: str = Field(description="of the data it was trained on")
    num_users: int
    num_items: int
    user_id: str = Field(description="type of the users' ids: int, str or uuid")
    item_id: str = Field(description="type of the items' ids: int, str or uuid")
    loaded: str = Field(description="since when it answers, ISO 8601")
    ncf: str = Field(description="version of the service's code")
