"""The gRPC server: its services, its port and its end."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from api.app import running_app
from api.deps import AppState
from api.grpc import booking_service_pb2, bookings, events, events_pb2, holds, holds_pb2, slots, slots_pb2
from api.grpc.calls import Calls, Handler, Method, Opener, Rpc
from api.grpc.operations import operation_of
from api.health import can_take_bookings
from api.middleware.bodies import MOST_BODY_BYTES
from runtime.settings import Settings

_log = structlog.get_logger()

SERVICES: Final[tuple[ServiceDescriptor, ...]] = tuple(
    service
    for module in (booking_service_pb2, slots_pb2, holds_pb2, events_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
)
HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        **bookings.HANDLERS,
        "ListSlots": slots.list_slots,
        "CreateHold": holds.create,
        "GetHold": holds.get,
        "ReleaseHold": holds.release,
    }
)
OPENERS: Final[Mapping[str, Opener]] = MappingProxyType({"Watch": events.watch})

_MOST_ANSWERED_BYTES: Final = 8 * 1024 * 1024
"""A long list of slots."""
_GRACE_SECONDS: Final = 10.0
_HEALTH_SECONDS: Final = 2.0
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MOST_BODY_BYTES),
    ("grpc.max_send_message_length", _MOST_ANSWERED_BYTES),
    ("grpc.so_reuseport", 0),  # a port that is taken is an error
    # Finds clients that are gone without a word, and allows them to do the same with us.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
)


class ServerStartError(Exception):
    """The server cannot start as it is configured: what is wrong, in one sentence."""


@asynccontextmanager
async def running_server(settings: Settings, host: str, port: int) -> AsyncIterator[int]:
    """Serve; yields the port, which the system chooses for 0. At the end streams are told to come back.

    Raises:
        ServerStartError: a file for TLS is missing or cannot be used, or the port is taken.
    """
    credentials = _credentials(settings)
    async with running_app(settings, application_name="holdfast-grpc") as app:
        options = (*_OPTIONS, ("grpc.max_concurrent_streams", settings.grpc_max_concurrent_streams))
        server = grpc.aio.server(options=options)
        calls, reported = Calls(app), health.aio.HealthServicer()
        server.add_generic_rpc_handlers([_handlers(calls, service) for service in SERVICES])
        health_pb2_grpc.add_HealthServicer_to_server(reported, server)
        names = [service.full_name for service in SERVICES]
        reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
        bound = _bind(server, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", credentials)
        await _report(app, reported)
        await server.start()
        _warn(settings, host)
        reporting = asyncio.create_task(_keep_reporting(app, reported))
        try:
            yield bound
        finally:
            reporting.cancel()
            await reported.enter_graceful_shutdown()
            app.hub.close()  # streams end at once, other calls in their own time
            await server.stop(_GRACE_SECONDS)


def _bind(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None) -> int:
    try:
        if credentials is not None:
            return server.add_secure_port(address, credentials)
        return server.add_insecure_port(address)
    except RuntimeError as error:
        more = "" if credentials is None else ", or the files for TLS are no certificate and its key"
        raise ServerStartError(f"{address} cannot be used: the port is taken{more}.") from error


def _handlers(calls: Calls, service: ServiceDescriptor) -> grpc.GenericRpcHandler:
    methods = {method.name: _handler(calls, method) for method in service.methods}
    return grpc.method_handlers_generic_handler(service.full_name, methods)


def _handler(calls: Calls, method: MethodDescriptor) -> "grpc.RpcMethodHandler[Any, Any]":
    """The handler takes bytes, so that what is no message gets an answer of ours."""
    request, write = GetMessageClass(method.input_type), GetMessageClass(method.output_type).SerializeToString
    name = f"{method.containing_service.name}/{method.name}"
    if method.server_streaming:
        opener, opened = OPENERS[method.name], Method(name, request, events.operation_of)

        async def stream(sent: bytes, rpc: Rpc) -> None:
            await calls.stream(rpc, opened, opener, sent)

        return grpc.unary_stream_rpc_method_handler(stream, None, write)
    operation, handler = operation_of(method.name), HANDLERS[method.name]
    called = Method(name, request, lambda _: operation)

    async def answer(sent: bytes, rpc: Rpc) -> Message:
        return await calls.answer(rpc, called, handler, sent)

    return grpc.unary_unary_rpc_method_handler(answer, None, write)


async def _keep_reporting(app: AppState, reported: Any) -> None:
    while True:
        await asyncio.sleep(_HEALTH_SECONDS)
        await _report(app, reported)


async def _report(app: AppState, reported: Any) -> None:
    """Tell the health service whether bookings can be taken, as `/readyz` does."""
    status = health_pb2.HealthCheckResponse
    state = status.SERVING if await can_take_bookings(app) else status.NOT_SERVING
    for name in ("", *(service.full_name for service in SERVICES)):
        await reported.set(name, state)


def _warn(settings: Settings, host: str) -> None:
    if not settings.service_tokens:
        _log.warning("grpc_without_tokens", setting="HOLDFAST_GRPC_TOKENS")
    if not settings.grpc_tls_client_ca_file and host not in {"127.0.0.1", "::1", "localhost"}:
        _log.warning("grpc_without_mutual_tls", setting="HOLDFAST_GRPC_TLS_CLIENT_CA_FILE")


def _credentials(settings: Settings) -> grpc.ServerCredentials | None:
    certificate, key = settings.grpc_tls_certificate_file, settings.grpc_tls_key_file
    authorities = settings.grpc_tls_client_ca_file
    if not certificate and not key and not authorities:
        return None
    if not certificate or not key:
        raise ServerStartError("TLS needs both HOLDFAST_GRPC_TLS_CERTIFICATE_FILE and HOLDFAST_GRPC_TLS_KEY_FILE.")
    return grpc.ssl_server_credentials(
        [(_read(key), _read(certificate))],
        root_certificates=_read(authorities) if authorities else None,
        require_client_auth=bool(authorities),
    )


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ServerStartError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}.") from error
