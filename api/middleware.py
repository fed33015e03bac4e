"""What happens around every request: its id, its log line, its metrics, and the answer to what went wrong."""

import re
import time
from typing import Final

import structlog
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import answer_unexpected
from api.exchange import Exchange, new_request_id
from runtime.metrics import REQUEST_SECONDS

_log = structlog.get_logger()

_MAX_BODY_BYTES: Final = 256 * 1024
_ACCEPTABLE_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class RequestContext:
    """Outermost: gives the request an id, binds it to the log, and lets no exception out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wrap one HTTP request; anything else passes."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request_id = _request_id(scope)
        scope.setdefault("state", {})["exchange"] = Exchange(request_id, _address(scope))
        answer = _Answer(send, scope["state"]["exchange"])
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            started = time.perf_counter()
            try:
                await self._app(scope, _bounded(scope, receive), answer.send)
            except Exception as error:
                if answer.status is not None:
                    raise  # the answer has begun: closing the connection is all that is left
                response = await answer_unexpected(Request(scope), error)
                await response(scope, receive, answer.send)
            finally:
                _observe(scope, answer.status, time.perf_counter() - started)
        return None


class _Answer:
    """Adds the headers of every answer and remembers its status."""

    def __init__(self, send: Send, exchange: Exchange) -> None:
        self._send = send
        self._exchange = exchange
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._exchange.request_id
            headers.update(self._exchange.headers)
            headers["X-Content-Type-Options"] = "nosniff"
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)


def allow_body(request: Request, most_bytes: int) -> None:
    """Let this request be larger than others: for a route to call before it reads, once it knows who is asking."""
    request.state.most_bytes = most_bytes


def _bounded(scope: Scope, receive: Receive) -> Receive:
    """The same, up to the size that a request may have, however it is sent."""
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        most: int = scope["state"].get("most_bytes", _MAX_BODY_BYTES)
        if received > most:
            raise HTTPException(413, f"A request may have {most} bytes at most.")
        return message

    return bounded


def _request_id(scope: Scope) -> str:
    """The caller's id where it is harmless, else a fresh one: it goes into logs and headers."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ACCEPTABLE_ID.fullmatch(value):
            return str(value.decode())
    return new_request_id()


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def _observe(scope: Scope, status: int | None, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", "unmatched")
    REQUEST_SECONDS.labels(scope["method"], route, str(status or 499)).observe(seconds)
    _log.info("request", method=scope["method"], route=route, status=status, ms=round(seconds * 1000, 1))
