"""CORS: which web sites' pages may speak to the API from a browser, business by business."""

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
    # Of a preflight it matters what it asks for (Fetch, CORS protocol and HTTP caches).
    "Vary": "Access-Control-Request-Method, Access-Control-Request-Headers",
}


class Cors:
    """Answers preflights, and marks the answers that a page may read.

    A page may read what is about a business that names the page's origin, or anything if the origin is one of the
    installation's own. No cookies are used, so credentials are never allowed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look after one HTTP request of a browser; anything else passes."""
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
    """Whether the answer is about a business that allows the origin; about none that is known: only our own."""
    context: RequestContext = scope["state"]["context"]
    business = _business_in(scope["path"])
    if business is None and context.business_id is not None:
        business = str(context.business_id)
    # The empty name is nobody's.
    return await app.origins.allows(origin, business or "")


def _business_in(path: str) -> str | None:
    found = _OF_BUSINESS.fullmatch(path)
    return found[1] if found else None
