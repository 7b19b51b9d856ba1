"""The HTTP service: recommendations as JSON. It does not know MLflow: the model that serves is passed in."""

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
from ncf.serving.config import Limits
from ncf.serving.http.guard import TRUSTED, Guard, ServiceMetrics
from ncf.serving.http.live import Answer, Live, Served, answer
from ncf.serving.http.schemas import (
    ERRORS,
    Health,
    JSONReply,
    Recommendations,
    RefusedError,
    Version,
    error_reply,
    id_from_json,
    id_from_text,
    invalid_request,
)

LOG = logging.getLogger("ncf.serving")
DEFAULT_K = 10
DESCRIPTION = "Recommendations by the champion of a registered model. All errors have the same form."
ITEM_IDS = (
    "Items that the user has, besides those in the log. If the model has not learned of the user, the recommendations "
    "are based on them. They are never recommended."
)


def create_app(live: Live, limits: Limits | None = None, token: str | None = None) -> FastAPI:
    """Create the service.

    Args:
        live: the model that answers; its owner may swap it at any time.
        limits: sizes and rates.
        token: what clients must send; None: no token is required.
    """
    limits = limits or Limits()
    metrics = ServiceMetrics(live)
    app = FastAPIOffline(title="ncf", description=DESCRIPTION, version=ncf.__version__, redoc_url=None)
    app.add_middleware(Guard, limits=limits, token=token, metrics=metrics)
    _handle_errors(app)
    recommender = _AsyncRecommender(limits.workers, metrics)
    _add_recommendations_for_user(app, live, limits, recommender)
    _add_recommendations_for_items(app, live, limits, recommender)
    _add_health(app, live)
    _add_version(app, live)
    _add_metrics(app, metrics)
    return app


class _AsyncRecommender:
    """Answers requests in a limited number of threads.

    Args:
        workers: number of threads.
        metrics: counts the answers.
    """

    def __init__(self, workers: int, metrics: ServiceMetrics) -> None:
        self._limiter, self._metrics = CapacityLimiter(workers), metrics

    async def reply(self, served: Served, user_id: Any, item_ids: list[Any], k: int, shown_id: Any) -> JSONReply:
        work = partial(answer, served, user_id, item_ids, k)
        found = await anyio.to_thread.run_sync(work, limiter=self._limiter)
        self._metrics.count_answer(found.source)
        return JSONReply(_recommendations(served, shown_id, found))


def _k_field(limits: Limits) -> Any:
    text = "Number of items to recommend. Fewer are returned if fewer are left."
    return Field(default=min(DEFAULT_K, limits.max_k), ge=1, le=limits.max_k, description=text)


def _add_recommendations_for_user(app: FastAPI, live: Live, limits: Limits, recommender: _AsyncRecommender) -> None:
    class UserQuery(BaseModel):
        model_config = ConfigDict(extra="forbid")
        user_id: str = Field(min_length=1, description="ID of the user. One who is not in the log gets popular items.")
        k: int = _k_field(limits)

    @app.get("/recommendations", response_model=Recommendations, responses=ERRORS)
    async def recommendations_for_user(query: Annotated[UserQuery, Query()]) -> Response:
        """The best items for one user."""
        served = live.current
        user_id = id_from_text(query.user_id, served.user_kind, "user_id")
        return await recommender.reply(served, user_id, [], query.k, _json_id(user_id))


def _add_recommendations_for_items(app: FastAPI, live: Live, limits: Limits, recommender: _AsyncRecommender) -> None:
    class RecommendationRequest(BaseModel):
        model_config = ConfigDict(extra="forbid")
        user_id: StrictInt | StrictStr | None = Field(
            default=None, description="ID of the user, with the type it has in the log."
        )
        item_ids: list[StrictInt | StrictStr] = Field(
            default_factory=list, max_length=limits.max_items, description=ITEM_IDS
        )
        k: StrictInt = _k_field(limits)

    @app.post("/recommendations", response_model=Recommendations, responses=ERRORS)
    async def recommendations_for_items(request: RecommendationRequest) -> Response:
        """The best items for a user, who may be known only by the items in the request."""
        served = live.current
        if request.user_id is None and not request.item_ids:
            raise ConfigError("the request names neither a user nor items", allowed="user_id, or item_ids, or both")
        user_id = None if request.user_id is None else id_from_json(request.user_id, served.user_kind, "user_id")
        item_ids = [
            id_from_json(value, served.item_kind, f"item_ids[{index}]") for index, value in enumerate(request.item_ids)
        ]
        return await recommender.reply(served, user_id, item_ids, request.k, request.user_id)


def _recommendations(served: Served, user_id: Any, found: Answer) -> dict[str, Any]:
    """An answer in the form of `Recommendations`; a plain dictionary is much faster than the pydantic model."""
    rows = zip(found.item_ids, found.titles, found.scores, strict=True)
    return {
        "model": served.name,
        "version": served.version,
        "user_id": user_id,
        "unknown_user": found.unknown_user,
        "source": found.source,
        "unknown_items": [_json_id(value) for value in found.unknown],
        "recommendations": [
            {"item_id": _json_id(item), "title": title, "rank": rank, "score": score}
            for rank, (item, title, score) in enumerate(rows, start=1)
        ],
    }


def _json_id(value: Any) -> int | str:
    return value if isinstance(value, int) else str(value)


def _add_health(app: FastAPI, live: Live) -> None:
    @app.get("/healthz", response_model=Health, responses=ERRORS)
    async def health(request: Request) -> Response:
        """Whether the service answers, and whether it answers with the newest champion."""
        problem = live.problem
        status = {"status": "ok" if problem is None else "degraded"}
        if not request.scope[TRUSTED]:
            return JSONReply(status)
        since = None if problem is None else problem.since.isoformat()
        reason = None if problem is None else problem.reason
        return JSONReply({**status, "version": live.current.version, "problem": reason, "since": since})


def _add_version(app: FastAPI, live: Live) -> None:
    @app.get("/version", response_model=Version, responses=ERRORS)
    async def version() -> Response:
        """The model that answers."""
        served, bundle = live.current, live.current.recommender.bundle
        facts = {
            "model": served.name,
            "version": served.version,
            "kind": bundle.config.kind,
            "dataset": str(bundle.about.get("dataset", "")),
            "fingerprint": str(bundle.about.get("fingerprint", "")),
            "log": served.recommender.log.fingerprint,
            "num_users": len(served.recommender.users.ids),
            "num_items": len(bundle.item_ids),
            "user_id": served.user_kind,
            "item_id": served.item_kind,
            "loaded": served.loaded.isoformat(),
            "ncf": ncf.__version__,
        }
        return JSONReply(facts)


def _add_metrics(app: FastAPI, metrics: ServiceMetrics) -> None:
    text: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}

    @app.get("/metrics", response_class=Response, responses=ERRORS | text)
    async def prometheus() -> Response:
        """Requests, their seconds, and the model that answers, in the format of Prometheus."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _handle_errors(app: FastAPI) -> None:
    """Give every error the same form, without internals of the service."""

    @app.exception_handler(NCFError)
    async def handle_ours(_request: Request, error: NCFError) -> Response:
        if isinstance(error, ConfigError | RefusedError):
            return error_reply(422, error)
        LOG.error("a request failed: %s", error)
        return error_reply(500, error)

    @app.exception_handler(RequestValidationError)
    async def handle_invalid_request(_request: Request, error: RequestValidationError) -> Response:
        return error_reply(422, invalid_request(error.errors()[0]))

    @app.exception_handler(HTTPException)
    async def handle_http(request: Request, error: HTTPException) -> Response:
        path = request.url.path
        if error.status_code == 405:  # the framework's own Allow names only the methods of the first route
            routes = [route for route in app.routes if isinstance(route, APIRoute) and route.path == path]
            methods = ", ".join(sorted({method for route in routes for method in route.methods or ()}))
            wrong = NCFError("the method is not allowed", got=request.method, allowed=methods, do="see /docs")
            return error_reply(405, wrong, {"Allow": methods})
        return error_reply(error.status_code, NCFError(error.detail, got=path, do="see /docs"), error.headers)

    @app.exception_handler(Exception)
    async def handle_unexpected(_request: Request, _error: Exception) -> Response:
        return error_reply(500, NCFError("internal error of the service", do="see its log, which has the traceback"))
