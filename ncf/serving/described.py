"""What the service answers, as its OpenAPI description has it."""

from typing import Any

from pydantic import BaseModel, Field

from ncf.serving.replies import ErrorReply

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
