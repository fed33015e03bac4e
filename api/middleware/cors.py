"""CORS: which web sites may call the API from a browser, business by business."""

import re
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.deps import AppState
from api.request_context import RequestContext

_OF_BUSINESS: Final = re.compile(r"/v1/businesses/([A-Za-z0-9-]{1,63})(?:/.*)?")
_EXPOSED: Final = "ETag, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID, traceparent"
_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": (
        "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-ID, traceparent"
    ),
    "Access-Control-Max-Age": "600",
    # A preflight also varies by what it asks for (Fetch, CORS protocol and HTTP caches).
    "Vary": "Access-Control-Request-Method, Access-Control-Request-Headers",
}


class Cors:
    """Answers preflights, and marks answers that a page may read.

    A page may read what is about a business that allows its origin, or anything if the origin is the
    installation's own. There are no cookies, so credentials are never allowed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one HTTP request with an origin; others pass."""
        origin = Headers(scope=scope).get("Origin") if scope["type"] == "http" else None
        if origin is None:
            return await self._app(scope, receive, send)
        app: AppState = scope["app"].state.holdfast
        if _is_preflight(scope) and await app.origins.allows(origin, _business_in(scope["path"])):
            response = Response(status_code=204, headers={"Access-Control-Allow-Origin": origin, **_PREFLIGHT})
            return await response(scope, receive, send)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and await _may_read(app, scope, origin):
                headers = MutableHeaders(scope=message)
                headers["Access-Control-Allow-Origin"] = origin
                headers["Access-Control-Expose-Headers"] = _EXPOSED
            await send(message)

        return await self._app(scope, receive, sending)


def _is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and "Access-Control-Request-Method" in Headers(scope=scope)


async def _may_read(app: AppState, scope: Scope, origin: str) -> bool:
    """Whether the business of the path allows the origin; without a known business only our own origins do."""
    context: RequestContext = scope["state"]["context"]
    business = _business_in(scope["path"])
    if business is None and context.business_id is not None:
        business = str(context.business_id)
    # No business has an empty name.
    return await app.origins.allows(origin, business or "")


def _business_in(path: str) -> str | None:
    found = _OF_BUSINESS.fullmatch(path)
    return found[1] if found else None
