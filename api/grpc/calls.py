"""One call: who makes it, for whom, and whether it may; then its handler, its audit line and its status."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import unquote

import grpc
import structlog
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status
from starlette.datastructures import Headers

from api import audit_trail
from api.admission import RequestCount, identify
from api.deps import AppState
from api.grpc.operations import Operation
from api.grpc.services import Service, Services
from api.grpc.statuses import Failure, failure_of
from api.idempotency import LONGEST_KEY, plain_key
from api.identity.credentials import Credential
from api.limits import RateLimitPolicy
from api.middleware.deadlines import RETRY_AFTER_SECONDS
from api.middleware.proxies import plain_address
from api.request_context import RequestContext, request_id_from
from db.repositories.audit import Entry
from domain.access import require_permission
from domain.errors import HoldfastError, InvalidRequestError, RateLimitedError, TimedOutError, UnauthenticatedError
from runtime.metrics import GRPC_SECONDS
from runtime.tracing import begin_span

_log = structlog.get_logger()

_NAMING: Final = frozenset({"booking_id", "hold_id"})

Rpc = grpc.aio.ServicerContext[Any, Any]


@dataclass(slots=True)
class Call:
    """One call, as its handler gets it."""

    app: AppState
    context: RequestContext
    metadata: Headers
    operation: Operation
    request: Message | None
    """None: what was sent is no such message."""
    service: Service | None = field(default=None, init=False)
    """Whose token it carries; none: no valid one."""
    count: RequestCount | None = field(default=None, init=False)
    """Its place in its caller's quota; none: there are no limits."""

    @property
    def key(self) -> str | None:
        """The caller's idempotency key.

        Raises:
            InvalidRequestError: it is too long.
        """
        key = plain_key(self.metadata.get("idempotency-key"))
        if key is not None and len(key) > LONGEST_KEY:
            raise InvalidRequestError.at("/idempotency-key", f"may have {LONGEST_KEY} characters at most")
        return key

    def audit_entry(self, outcome: str, code: str | None = None) -> Entry:
        """Its line for the audit log, by what is known of it now."""
        return audit_trail.line_of(self.context, self.operation.id, _named_in(self.request), outcome, code)

    async def charge(self, requests: int) -> None:
        """Count it as so many further requests.

        Raises:
            RateLimitedError: the caller's quota does not cover them.
        """
        if self.count is not None and requests > 0:
            await self.count.charge(requests)


@dataclass(frozen=True, slots=True)
class Method:
    """What is called."""

    name: str
    """As BookingService/CreateBooking."""
    request: type[Message]
    operation_of: Callable[[Message], Operation]


Reply = TypeVar("Reply")
Handler = Callable[[Call, Message], Awaitable[Message]]
Opener = Callable[[Call, Message], Awaitable[AsyncGenerator[Message, None]]]
Work = Callable[[Call, asyncio.Timeout], Awaitable[Reply]]


class Calls:
    """Takes calls to their handlers, with everything that an HTTP request gets from the middleware."""

    def __init__(self, app: AppState) -> None:
        self._app = app
        self._services = Services(app.settings.service_tokens)

    async def answer(self, rpc: Rpc, method: Method, handler: Handler, sent: bytes) -> Message:
        """Answer a call with one message."""

        async def work(call: Call, _timer: asyncio.Timeout) -> Message:
            reply = await handler(call, _required(call))
            await self._finish(call)
            return reply

        return await self._run(rpc, method, sent, work)

    async def stream(self, rpc: Rpc, method: Method, opener: Opener, sent: bytes) -> None:
        """Answer a call with a stream; the timeout is that of its opening."""

        async def work(call: Call, timer: asyncio.Timeout) -> None:
            messages = await opener(call, _required(call))
            await self._finish(call)
            timer.reschedule(None)
            async with aclosing(messages):  # a client that leaves is forgotten at once
                async for message in messages:
                    await rpc.write(message)

        await self._run(rpc, method, sent, work)

    async def _run(self, rpc: Rpc, method: Method, sent: bytes, work: Work[Reply]) -> Reply:
        started, code = time.perf_counter(), grpc.StatusCode.CANCELLED
        metadata = _headers(rpc)
        span = begin_span(metadata.getlist("traceparent"))
        request_id = request_id_from(value.encode("latin-1") for value in metadata.getlist("x-request-id"))
        context = RequestContext(request_id, _address(rpc.peer()), headers={"traceparent": span.traceparent})
        request = _parsed(method.request, sent)
        operation = method.operation_of(method.request() if request is None else request)
        call = Call(self._app, context, metadata, operation, request)
        with structlog.contextvars.bound_contextvars(request_id=context.request_id, trace_id=span.trace_id):
            try:
                reply = await self._in_time(call, rpc, work)
            except Exception as error:
                await self._note_denial(call, error)
                failure = failure_of(await _over_quota(call) or error)
                code = failure.code
                await _abort(rpc, failure, context)
            else:
                code = grpc.StatusCode.OK
                rpc.set_trailing_metadata(_trailers(context))
                return reply
            finally:
                seconds = time.perf_counter() - started
                GRPC_SECONDS.labels(method.name, code.name).observe(seconds)
                by = call.service.token.name if call.service else None
                _log.info("grpc_call", method=method.name, code=code.name, by=by, ms=round(seconds * 1000, 1))

    async def _in_time(self, call: Call, rpc: Rpc, work: Work[Reply]) -> Reply:
        """The work's result, within our timeout and the caller's deadline."""
        left = rpc.time_remaining()
        ours = self._app.settings.request_timeout_seconds
        timer = asyncio.timeout(ours if left is None else max(0.0, min(ours, left)))
        try:
            async with timer:
                await self._admit(call, rpc)
                return await work(call, timer)
        except Exception as error:
            # An aborted call may end in any error, such as one of its closed connection.
            if timer.expired():
                raise TimedOutError(retry_after=RETRY_AFTER_SECONDS) from error
            raise

    async def _admit(self, call: Call, rpc: Rpc) -> None:
        """Let the call through to its handler.

        Raises:
            RateLimitedError: it is over its caller's quota.
            UnauthenticatedError: the service's token or the caller's credential is missing or not valid.
            ForbiddenError: the token or the caller may not do this.
        """
        context, permission = call.context, call.operation.permission
        credential, policy = self._read(call, rpc)
        await self._count(call, credential, policy)
        if context.refusal is not None:
            raise context.refusal
        assert call.service is not None
        call.service.require(permission)
        require_permission(context.caller, permission)

    def _read(self, call: Call, rpc: Rpc) -> tuple[Credential | None, RateLimitPolicy | None]:
        """Note which service calls; for whom, and within which limit. The context has the refusal of either."""
        context, limiter = call.context, self._app.limiter
        policy = limiter.policy_for("POST", "")
        try:
            call.service = service = self._services.identify(call.metadata, rpc.auth_context())
            context.confined_to = service.token.business_id
            own = service.own_caller
            if own is None or "authorization" in call.metadata:
                return self._app.credentials.read(call.metadata), policy
        except UnauthenticatedError as refusal:
            context.refusal = refusal
            return None, policy
        policy = limiter.policy_of_service(service.token.requests_per_minute)
        return Credential(f"{own.kind}:{own.id}", partial(_as_it_is, own)), policy

    async def _count(self, call: Call, credential: Credential | None, policy: RateLimitPolicy | None) -> None:
        """Identify the caller, and count the call while that is done; a write waits for its count.

        Raises:
            RateLimitedError: it is over its caller's quota.
        """
        if policy is None:
            return await identify(credential, call.context)
        count = RequestCount(self._app.limiter, call.context)
        if refused := await count.begin(credential, policy):
            raise refused
        call.count = count
        if call.operation.writes:
            await _require_counted(call)
        return None

    async def _finish(self, call: Call) -> None:
        """Add the audit line of a write that has none; a read over the quota is not answered."""
        if call.operation.writes and call.context.needs_audit:
            await audit_trail.add_apart(self._app, call.context, call.audit_entry("done"))
        await _require_counted(call)

    async def _note_denial(self, call: Call, error: Exception) -> None:
        if isinstance(error, HoldfastError) and error.is_denial:
            await audit_trail.add_denied(self._app, call.context, call.audit_entry("denied", error.code))


async def _require_counted(call: Call) -> None:
    if refused := await _over_quota(call):
        raise refused


async def _over_quota(call: Call) -> RateLimitedError | None:
    """Wait for its count: over the quota a call is refused, whatever its answer would be."""
    return None if call.count is None else await call.count.refusal()


async def _as_it_is(caller: Any) -> Any:
    return caller


async def _abort(rpc: Rpc, failure: Failure, context: RequestContext) -> NoReturn:
    status = rpc_status.to_status(failure.status(context.request_id))
    await rpc.abort(status.code, status.details, (*status.trailing_metadata, *_trailers(context)))


def _trailers(context: RequestContext) -> tuple[tuple[str, str], ...]:
    told = {"x-request-id": context.request_id, **context.headers}
    return tuple((name.lower(), value) for name, value in told.items())


def _headers(rpc: Rpc) -> Headers:
    """The call's metadata, without binary values."""
    sent = [(name, value) for name, value in rpc.invocation_metadata() or () if isinstance(value, str)]
    return Headers(raw=[(name.encode(), value.encode("latin-1", "replace")) for name, value in sent])


def _parsed(kind: type[Message], sent: bytes) -> Message | None:
    try:
        return kind.FromString(sent)
    except DecodeError:
        return None


def _required(call: Call) -> Message:
    if call.request is None:
        raise InvalidRequestError("What was sent is no message of this call.")
    return call.request


def _named_in(request: Message | None) -> Sequence[str]:
    """The booking or hold that a request is about is its first field."""
    first = request.DESCRIPTOR.fields_by_number.get(1) if request is not None else None
    return (getattr(request, first.name),) if first is not None and first.name in _NAMING else ()


def _address(peer: str) -> str:
    """The address in a peer such as `ipv4:192.0.2.1:5000` or `ipv6:%5B2001:db8::1%5D:5000`."""
    host = unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")
    return plain_address(host) or "unknown"
