"""Outermost: the request's id, trace, log line and metrics; it answers every exception."""

import time

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import answer_http, answer_unexpected
from api.middleware.bodies import bounded, refusal_of
from api.middleware.headers import add_headers
from api.middleware.proxies import address_of
from api.request_context import RequestContext, request_id_from
from runtime.metrics import REQUEST_SECONDS, method_label
from runtime.tracing import Span, begin_span

_log = structlog.get_logger()


class RequestContextMiddleware:
    """Creates the context of each request, and answers and logs it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wrap one HTTP request or WebSocket; other scopes pass."""
        if scope["type"] == "websocket":
            return await self._converse(scope, receive, send)
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started = time.perf_counter()
        context, span = _begin(scope)
        answer = _Answer(send, context, scope)
        # HEAD is GET without the content (RFC 9110, section 9.3.2): the application sees GET.
        inner = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        with structlog.contextvars.bound_contextvars(request_id=context.request_id, trace_id=span.trace_id):
            try:
                await self._answer(inner, receive, answer)
            finally:
                _observe(inner, scope["method"], answer.status, time.perf_counter() - started)
        return None

    async def _converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        context, span = _begin(scope)
        socket = _Socket(receive, send, context)
        with structlog.contextvars.bound_contextvars(request_id=context.request_id, trace_id=span.trace_id):
            try:
                await self._app(scope, socket.receive, socket.send)
            finally:
                route = getattr(scope.get("route"), "path", "unmatched")
                ms = round((time.perf_counter() - started) * 1000, 1)
                _log.info("websocket", route=route, code=socket.code, reason=socket.reason, ms=ms)

    async def _answer(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            if refusal := refusal_of(scope):
                raise refusal
            await self._app(scope, bounded(scope, receive), answer.send)
        except Exception as error:
            if answer.status is not None:
                raise  # the answer has begun: only closing the connection is left
            request = Request(scope)
            if isinstance(error, HTTPException):
                response = answer_http(request, error)
            else:
                response = answer_unexpected(request, error)
            await response(scope, receive, answer.send)


class _Answer:
    """Adds the headers of every answer and remembers its status."""

    def __init__(self, send: Send, context: RequestContext, scope: Scope) -> None:
        self._send = send
        self._context = context
        self._path = scope["path"]
        self._is_head = scope["method"] == "HEAD"
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            add_headers(message, self._context, self._path)
        elif self._is_head:
            message["body"] = b""
        await self._send(message)


class _Socket:
    """Remembers how a WebSocket ends, and adds the headers of its handshake."""

    def __init__(self, receive: Receive, send: Send, context: RequestContext) -> None:
        self._receive = receive
        self._send = send
        self._context = context
        self.code: int | None = None
        """The close code, or the status of a handshake that is refused."""
        self.reason = ""
        """Ours; a client's may be anything."""

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.disconnect" and self.code is None:
            self.code = message["code"]
        return message

    async def send(self, message: Message) -> None:
        match message["type"]:
            case "websocket.http.response.start":
                self.code = message["status"]
                add_headers(message, self._context, "")
            case "websocket.accept":
                request_id = self._context.request_id.encode()
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id)]
            case "websocket.close":
                self.code, self.reason = message["code"], message["reason"]
        await self._send(message)


def _begin(scope: Scope) -> tuple[RequestContext, Span]:
    span = begin_span([value.decode("latin-1") for value in _sent(scope, b"traceparent")])
    context = RequestContext(
        request_id_from(_sent(scope, b"x-request-id")),
        address_of(scope),
        headers={"traceparent": span.traceparent},
    )
    scope.setdefault("state", {})["context"] = context
    return context, span


def _sent(scope: Scope, wanted: bytes) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == wanted]


def _observe(scope: Scope, method: str, status: int | None, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", "unmatched")
    REQUEST_SECONDS.labels(method_label(method), route, str(status or 499)).observe(seconds)
    _log.info("request", method=method, route=route, status=status, ms=round(seconds * 1000, 1))
