"""The server itself: TLS, health, reflection, bounds, and the process."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from api.grpc import booking_service_pb2 as messages
from api.grpc.server import SERVICES, ServerStartError, running_server
from runtime.settings import Settings
from tests.support.certificates import Certificate
from tests.support.grpc_client import TOKEN, GrpcClient, entry, open_channel, with_tokens
from tests.support.stage import Stage

Code = grpc.StatusCode
OURS, THEIRS = Certificate.authority("our authority"), Certificate.authority("another authority")


def tls(settings: Settings, folder: Path, *entries: dict[str, object]) -> Settings:
    """Settings of a server that asks for a certificate of our authority."""
    server = OURS.issue("localhost")
    paths = {"certificate": server.pem, "key": server.key_pem, "client_ca": OURS.pem}
    for name, content in paths.items():
        (folder / f"{name}.pem").write_bytes(content)
    files = {f"grpc_tls_{name}_file": str(folder / f"{name}.pem") for name in paths}
    return with_tokens(settings, *entries, **files)


def as_client(certificate: Certificate | None) -> grpc.ChannelCredentials:
    key, chain = (certificate.key_pem, certificate.pem) if certificate else (None, None)
    return grpc.ssl_channel_credentials(OURS.pem, key, chain)


async def test_with_mutual_tls_only_clients_with_our_certificate_are_heard(
    settings: Settings, patient_stage: Stage, tmp_path: Path
) -> None:
    secured = tls(settings, tmp_path, entry(), entry("bound", "crm", certificate_name="crm.internal"))
    listing, owner = messages.ListBookingsRequest(), patient_stage.tenant.principals["owner"]
    async with running_server(secured, "127.0.0.1", 0) as port:

        async def code(certificate: Certificate | None, token: str = TOKEN) -> grpc.StatusCode:
            async with open_channel(port, as_client(certificate)) as channel:
                client = GrpcClient(channel, patient_stage.api._tokens, token).as_(owner)
                try:
                    await client.call("ListBookings", listing, timeout=5)
                except grpc.aio.AioRpcError as error:
                    return error.code()
                return Code.OK

        assert await code(OURS.issue("desk.internal")) is Code.OK
        assert await code(OURS.issue("crm.internal"), "bound") is Code.OK
        assert await code(OURS.issue("desk.internal"), "bound") is Code.UNAUTHENTICATED
        assert await code(OURS.issue("desk.internal"), "wrong") is Code.UNAUTHENTICATED
        assert await code(None) is Code.UNAVAILABLE
        assert await code(THEIRS.issue("desk.internal")) is Code.UNAVAILABLE
        async with open_channel(port) as channel:
            plain = GrpcClient(channel, patient_stage.api._tokens).as_(owner)
            with pytest.raises(grpc.aio.AioRpcError):
                await plain.call("ListBookings", listing, timeout=5)


@pytest.mark.parametrize("name", ["grpc_tls_certificate_file", "grpc_tls_key_file", "grpc_tls_client_ca_file"])
async def test_a_server_with_half_of_its_tls_does_not_start(settings: Settings, name: str) -> None:
    with pytest.raises(
        ServerStartError, match=r"HOLDFAST_GRPC_TLS_CERTIFICATE_FILE and HOLDFAST_GRPC_TLS_KEY_FILE"
    ):
        async with running_server(settings.model_copy(update={name: "some.pem"}), "127.0.0.1", 0):
            pass


async def test_a_taken_port_and_a_file_that_is_no_key_are_named(settings: Settings, tmp_path: Path) -> None:
    async with running_server(settings, "127.0.0.1", 0) as port:
        with pytest.raises(ServerStartError, match=f"127.0.0.1:{port} cannot be used: the port is taken"):
            async with running_server(settings, "127.0.0.1", port):
                pass
    secured = tls(settings, tmp_path)
    (tmp_path / "key.pem").write_text("no key")
    with pytest.raises(ServerStartError, match="no certificate and its key"):
        async with running_server(secured, "127.0.0.1", 0):
            pass


async def test_health_is_told_without_a_token(rpc: GrpcClient) -> None:
    stub = health_pb2_grpc.HealthStub(rpc.channel)
    for name in ("", *(service.full_name for service in SERVICES)):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.Check(health_pb2.HealthCheckRequest(service="no.such"))
    assert raised.value.code() is Code.NOT_FOUND


async def test_reflection_describes_everything(settings: Settings, worker: None) -> None:
    """As grpcurl does it: list the services, fetch their descriptors, and call by nothing but these."""
    async with running_server(settings, "127.0.0.1", 0) as port:
        found = await asyncio.to_thread(_reflected, f"127.0.0.1:{port}")
    assert found == {
        service.full_name: sorted(method.name for method in service.methods) for service in SERVICES
    } | {"grpc.health.v1.Health": ["Check", "List", "Watch"]}


def _reflected(target: str) -> dict[str, list[str]]:
    with grpc.insecure_channel(target) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        pool = DescriptorPool(database)
        names = [name for name in database.get_services() if not name.startswith("grpc.reflection")]
        services = {name: pool.FindServiceByName(name) for name in names}
        return {name: sorted(method.name for method in found.methods) for name, found in services.items()}


async def test_a_message_that_is_too_large_is_refused(rpc: GrpcClient, patient_stage: Stage) -> None:
    client = rpc.as_(patient_stage.tenant.principals["customer"])
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await client.call("CreateBooking", messages.CreateBookingRequest(notes="x" * 300_000), key="k")
    assert raised.value.code() is Code.RESOURCE_EXHAUSTED


async def test_the_process_serves_until_it_is_told_to_stop(settings: Settings, worker: None) -> None:
    environment = {
        "HOLDFAST_DATABASE_URL": settings.database_url,
        "HOLDFAST_JWT_KEY_FILE": settings.jwt_key_file,
        "HOLDFAST_GRPC_TOKENS": json.dumps([entry()]),
    }
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api.grpc", "--port", "0"),
        env={**_environment(), **environment},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert started.stdout is not None
        async with asyncio.timeout(30):
            while "grpc_serving" not in (line := json.loads(await started.stdout.readline()))["event"]:
                pass
        async with open_channel(line["port"]) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            await health.Check(health_pb2.HealthCheckRequest())
        started.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await started.wait() == 0
    finally:
        if started.returncode is None:
            started.kill()


async def test_a_process_without_a_key_says_what_is_missing(settings: Settings) -> None:
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api.grpc", "--port", "0"),
        env={**_environment(), "HOLDFAST_DATABASE_URL": settings.database_url, "HOLDFAST_JWT_KEY_FILE": ""},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await started.communicate()
    assert started.returncode == 1
    assert errors.decode().startswith("grpc: ")
    assert len(errors.decode().splitlines()) == 1


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
