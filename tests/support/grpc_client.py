"""A gRPC client that calls as one service, for one user; and what it is refused with."""

import hashlib
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from pydantic import SecretStr

from api.grpc import booking_service_pb2_grpc, events_pb2_grpc, holds_pb2_grpc, slots_pb2_grpc
from api.grpc.booking_service_pb2 import CreateBookingRequest
from api.grpc.operations import OPERATIONS
from api.grpc.server import running_server
from api.identity.tokens import Tokens, load_tokens
from domain.callers import Principal
from runtime.settings import Settings
from tests.support.factories import Tenant

ALL = sorted({str(operation.permission) for operation in OPERATIONS.values()})
"""Every permission that an RPC needs."""
TOKEN = "the-token-of-a-test-service"
_STUBS: Any = (
    booking_service_pb2_grpc.BookingServiceStub,
    slots_pb2_grpc.SlotServiceStub,
    holds_pb2_grpc.HoldServiceStub,
    events_pb2_grpc.EventServiceStub,
)


def entry(
    token: str = TOKEN, name: str = "tests", permissions: Iterable[str] = ALL, **more: Any
) -> dict[str, Any]:
    """An entry of HOLDFAST_GRPC_TOKENS."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    return {"name": name, "sha256": digest, "permissions": list(permissions)} | more


def with_tokens(settings: Settings, *entries: dict[str, Any], **more: Any) -> Settings:
    """The settings with these services."""
    return settings.model_copy(update={"grpc_tokens": SecretStr(json.dumps(entries)), **more})


@dataclass(frozen=True)
class Refusal:
    """Why a call failed."""

    code: grpc.StatusCode
    words: str
    info: error_details_pb2.ErrorInfo
    fields: dict[str, str] = field(default_factory=dict)
    """What does not fit, by field."""
    retry_after: float | None = None
    trailers: dict[str, Any] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        return str(self.info.reason)


def refusal_of(error: grpc.aio.AioRpcError) -> Refusal:
    """What an error says, with its details."""
    status = rpc_status.from_call(error)
    assert status is not None, error
    found: dict[str, Any] = {}
    for detail in status.details:
        kind: Any = getattr(error_details_pb2, detail.TypeName().rpartition(".")[2])
        found[kind.DESCRIPTOR.name] = kind.FromString(detail.value)
    bad, retry = found.get("BadRequest"), found.get("RetryInfo")
    return Refusal(
        error.code(),
        error.details() or "",
        found["ErrorInfo"],
        {one.field: one.description for one in bad.field_violations} if bad else {},
        retry.retry_delay.ToTimedelta().total_seconds() if retry else None,
        dict(error.trailing_metadata() or ()),
    )


@dataclass(frozen=True)
class GrpcClient:
    """Calls as one service for one user; `as_` returns a client for another one."""

    channel: grpc.aio.Channel
    tokens: Tokens
    service: str | None = TOKEN
    bearer: str | None = None

    def as_(self, principal: Principal) -> "GrpcClient":
        """The same, for another user."""
        return replace(self, bearer=self.tokens.issue(principal.user_id, principal.user_id))

    def with_bearer(self, bearer: str | None) -> "GrpcClient":
        """The same, with this credential."""
        return replace(self, bearer=bearer)

    def from_service(self, token: str | None) -> "GrpcClient":
        """The same, from another service."""
        return replace(self, service=token)

    def begin(
        self, rpc: str, request: Any, *, key: str | None = None, timeout: float | None = 30, **more: str
    ) -> Any:
        """Begin a call."""
        told = {"x-internal-token": self.service, "idempotency-key": key}
        told |= {"authorization": f"Bearer {self.bearer}" if self.bearer else None}
        told |= {name.replace("_", "-"): value for name, value in more.items()}
        metadata = tuple((name, value) for name, value in told.items() if value is not None)
        stub = next(stub for stub in (kind(self.channel) for kind in _STUBS) if hasattr(stub, rpc))
        return getattr(stub, rpc)(request, metadata=metadata, timeout=timeout)

    async def call(self, rpc: str, request: Any, **more: Any) -> Any:
        """The answer of a call."""
        return await self.begin(rpc, request, **more)

    async def refused(self, rpc: str, request: Any, **more: Any) -> Refusal:
        """The refusal of a call, which must fail."""
        try:
            answer = await self.call(rpc, request, **more)
        except grpc.aio.AioRpcError as error:
            return refusal_of(error)
        raise AssertionError(f"it was answered: {answer}")


@asynccontextmanager
async def grpc_client(
    settings: Settings, credentials: grpc.ChannelCredentials | None = None
) -> AsyncIterator[GrpcClient]:
    """A client of a server that runs with these settings for as long as the block lasts."""
    async with running_server(settings, "127.0.0.1", 0) as port, open_channel(port, credentials) as channel:
        yield GrpcClient(channel, load_tokens(settings))


def open_channel(port: int, credentials: grpc.ChannelCredentials | None = None) -> grpc.aio.Channel:
    """A channel to a server on this machine."""
    if credentials is None:
        return grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    return grpc.aio.secure_channel(f"localhost:{port}", credentials)


def booking_request(tenant: Tenant, starts_at: Any, **more: Any) -> Any:
    """A request for an hour of `repair`."""
    return CreateBookingRequest(business_id=tenant.slug, service_id="repair", starts_at=starts_at, **more)


async def book(client: GrpcClient, tenant: Tenant, starts_at: Any, *, key: str | None = None, **more: Any) -> Any:
    """A booking."""
    request = booking_request(tenant, starts_at, **more)
    return await client.call("CreateBooking", request, key=key or str(uuid4()))
