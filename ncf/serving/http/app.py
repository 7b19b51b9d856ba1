"""The HTTP service: recommendations as JSON. It knows no MLflow; the model that serves is handed in."""

import logging
from functools import partial
from typing import Annotated, Any

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr
from starlette.exceptions import HTTPException
from starlette.responses import Response

import ncf
from ncf.errors import ConfigError, NCFError
from ncf.serving.http.guard import TRUSTED, Guard
from ncf.serving.http.limits import Limits
from ncf.serving.http.live import Answer, Live, Served, answer
from ncf.serving.http.metrics import Measured
from ncf.serving.http.replies import (
    ERRORS,
    Health,
    JSONReply,
    Recommendations,
    RefusedError,
    Version,
    error_reply,
    refusal_reply,
    wrong_value,
)
from ncf.serving.http.request_ids import id_from_json, id_from_text

LOG = logging.getLogger("ncf.serving")
DEFAULT_K = 10
DESCRIPTION = "Recommendations of the model that is the champion. Every error has the same form."


def create_app(live: Live, limits: Limits | None = None, token: str | None = None) -> FastAPI:
    """Make the service.

    Args:
        live: what answers; whoever made it may swap the model at any time.
        limits: sizes and rates.
        token: what clients have to send; None asks for none.
    """
    limits = limits or Limits()
    measured = Measured(live)
    app = FastAPIOffline(title="ncf", description=DESCRIPTION, version=ncf.__version__, redoc_url=None)
    app.add_middleware(Guard, limits=limits, token=token, measured=measured)
    _answer_errors(app)
    _add_recommendations(app, live, limits, measured)
    _add_facts(app, live, measured)
    return app


def _add_recommendations(app: FastAPI, live: Live, limits: Limits, measured: Measured) -> None:
    default_k = min(DEFAULT_K, limits.max_k)
    k_text = "items wanted; fewer come where there are fewer left"

    class Asked(BaseModel):
        model_config = ConfigDict(extra="forbid")
        user_id: str = Field(
            min_length=1, description="a user's id; one that is unknown is answered with popular items"
        )
        k: int = Field(default=default_k, ge=1, le=limits.max_k, description=k_text)

    class Sent(BaseModel):
        model_config = ConfigDict(extra="forbid")
        user_id: StrictInt | StrictStr | None = Field(default=None, description="a user's id, of the log's type")
        item_ids: list[StrictInt | StrictStr] = Field(
            default_factory=list,
            max_length=limits.max_items,
            description="what the user has: a user whom the model does not know is judged by them; left out always",
        )
        k: StrictInt = Field(default=default_k, ge=1, le=limits.max_k, description=k_text)

    scoring = CapacityLimiter(limits.workers)

    async def recommend(served: Served, user_id: Any, item_ids: list[Any], k: int, said: Any) -> JSONReply:
        work = partial(answer, served, user_id, item_ids, k)
        found = await anyio.to_thread.run_sync(work, limiter=scoring)
        measured.answer(found.source)
        return JSONReply(_listed(served, said, found))

    @app.get("/recommendations", response_model=Recommendations, responses=ERRORS)
    async def recommendations_of_a_user(asked: Annotated[Asked, Query()]) -> Response:
        """The best items of one user."""
        served = live.current
        user_id = id_from_text(asked.user_id, served.user_kind, "user_id")
        return await recommend(served, user_id, [], asked.k, _plain(user_id))

    @app.post("/recommendations", response_model=Recommendations, responses=ERRORS)
    async def recommendations_for_items(sent: Sent) -> Response:
        """The best items of a user who is known, or known by the items sent along."""
        served = live.current
        if sent.user_id is None and not sent.item_ids:
            raise ConfigError("nothing is said of the user", allowed="user_id, or item_ids, or both")
        user_id = None if sent.user_id is None else id_from_json(sent.user_id, served.user_kind, "user_id")
        item_ids = [
            id_from_json(value, served.item_kind, f"item_ids[{place}]") for place, value in enumerate(sent.item_ids)
        ]
        return await recommend(served, user_id, item_ids, sent.k, sent.user_id)


def _listed(served: Served, user_id: Any, found: Answer) -> dict[str, Any]:
    """An answer as `Recommendations` has it; built by hand, which is far quicker than through the model."""
    rows = zip(found.item_ids, found.titles, found.scores, strict=True)
    return {
        "model": served.name,
        "version": served.version,
        "user_id": user_id,
        "source": found.source,
        "unknown_items": [_plain(value) for value in found.unknown],
        "recommendations": [
            {"item_id": _plain(item), "title": title, "rank": rank, "score": score}
            for rank, (item, title, score) in enumerate(rows, start=1)
        ],
    }


def _plain(value: Any) -> int | str:
    """An id as JSON has it."""
    return value if isinstance(value, int) else str(value)


def _add_facts(app: FastAPI, live: Live, measured: Measured) -> None:
    @app.get("/healthz", response_model=Health, responses=ERRORS)
    async def health(request: Request) -> Response:
        """Whether the service answers, and with the newest champion."""
        problem = live.problem
        status = {"status": "ok" if problem is None else "degraded"}
        if not request.scope[TRUSTED]:
            return JSONReply(status)
        since = None if problem is None else problem.since.isoformat()
        reason = None if problem is None else problem.reason
        return JSONReply({**status, "version": live.current.version, "problem": reason, "since": since})

    @app.get("/version", response_model=Version, responses=ERRORS)
    async def version() -> Response:
        """What answers."""
        served = live.current
        bundle = served.recommender.bundle
        about = {key: str(bundle.about.get(key, "")) for key in ("dataset", "fingerprint")}
        facts = {
            "model": served.name,
            "version": served.version,
            "kind": bundle.config.kind,
            **about,
            "num_users": len(bundle.user_ids),
            "num_items": len(bundle.item_ids),
            "user_id": served.user_kind,
            "item_id": served.item_kind,
            "loaded": served.loaded.isoformat(),
            "ncf": ncf.__version__,
        }
        return JSONReply(facts)

    text: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}

    @app.get("/metrics", response_class=Response, responses=ERRORS | text)
    async def metrics() -> Response:
        """Requests, seconds, and what answers, as Prometheus reads them."""
        return Response(generate_latest(measured.registry), media_type=CONTENT_TYPE_LATEST)


def _answer_errors(app: FastAPI) -> None:
    """Give every error the same form, and the client no inside."""

    @app.exception_handler(NCFError)
    async def of_ours(_request: Request, error: NCFError) -> Response:
        if isinstance(error, RefusedError):
            return refusal_reply(error)
        if isinstance(error, ConfigError):
            return error_reply(422, error)
        LOG.error("a request failed: %s", error)
        return error_reply(500, error)

    @app.exception_handler(RequestValidationError)
    async def of_a_value(_request: Request, error: RequestValidationError) -> Response:
        return error_reply(422, wrong_value(error.errors()[0]))

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> Response:
        path = request.url.path
        if error.status_code == 405:  # the framework's own Allow names the methods of the first route alone
            routes = [route for route in app.routes if isinstance(route, APIRoute) and route.path == path]
            methods = ", ".join(sorted({method for route in routes for method in route.methods or ()}))
            wrong = NCFError("the method is not allowed", got=request.method, allowed=methods, do="see /docs")
            return error_reply(405, wrong, {"Allow": methods})
        return error_reply(error.status_code, NCFError(error.detail, got=path, do="see /docs"), error.headers)

    @app.exception_handler(Exception)
    async def of_the_service(_request: Request, _error: Exception) -> Response:
        return error_reply(500, NCFError("a fault of the service", do="look into its log"))  # which has the traceback
