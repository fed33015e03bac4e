"""Outbound calls over real TLS: the certificate's name counts, and the checked address is used."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from activities.adapters.http_calendar import HttpCalendarSource
from activities.ports import CalendarQuery
from dev.ports import LOOPBACK
from domain.external import SourceFailedError
from runtime.outbound import GuardedTransport, OutboundRefusedError

NAME = "calendar.example"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@dataclass
class TlsServer:
    """A server whose certificate is for `calendar.example`, and whom a client may trust."""

    port: int
    trusting: ssl.SSLContext
    connections: int = 0


def certificate(folder: Path) -> Path:
    """A self-signed certificate with its key, as one PEM file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    signed = builder.sign(key, hashes.SHA256())
    file = folder / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(signed.public_bytes(Encoding.PEM) + private)
    return file


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[TlsServer]:
    file = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(answer, LOOPBACK, 0, ssl=context)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        running = TlsServer(port, ssl.create_default_context(cafile=str(file)))
        yield running


class Names:
    """Resolves every name to these addresses, and counts how often it was asked."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses
        self.lookups: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.lookups.append(host)
        return self._addresses


async def get(url: str, names: Names, trusting: ssl.SSLContext | None, *, allow_loopback: bool = True) -> str:
    transport = GuardedTransport(allow_loopback=allow_loopback, resolver=names, ssl_context=trusting)
    async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
        return (await client.get(url)).text


async def test_the_certificate_is_checked_against_the_name_and_not_the_address(server: TlsServer) -> None:
    names = Names(LOOPBACK)
    assert await get(f"https://{NAME}:{server.port}/", names, server.trusting) == "ok"
    assert names.lookups == [NAME]
    with pytest.raises(httpx.ConnectError, match="Hostname mismatch"):
        await get(f"https://other.example:{server.port}/", names, server.trusting)


async def test_a_certificate_that_nobody_vouches_for_is_refused(server: TlsServer) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        await get(f"https://{NAME}:{server.port}/", Names(LOOPBACK), None)


async def test_a_source_says_that_it_was_the_certificate(server: TlsServer) -> None:
    now = datetime.now(UTC)
    question = CalendarQuery(f"https://localhost:{server.port}/", None, now, now + timedelta(days=1))
    with pytest.raises(SourceFailedError, match="tls_failed"):
        await HttpCalendarSource(allow_loopback=True).fetch(question)


async def test_a_name_is_resolved_once_and_every_address_of_it_must_be_public(server: TlsServer) -> None:
    for addresses in (
        [LOOPBACK],
        ["8.8.8.8", LOOPBACK],
        ["::ffff:127.0.0.1"],
        ["fe80::1%lo"],
        ["169.254.169.254"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::a00:1"],
        ["2002:a00:1::1"],
        ["2001:0:a00:1::"],
    ):
        names = Names(*addresses)
        with pytest.raises(OutboundRefusedError):
            await get(f"https://{NAME}:{server.port}/", names, server.trusting, allow_loopback=False)
        assert names.lookups == [NAME]
    assert server.connections == 0


async def test_a_name_that_comes_to_mean_something_else_is_checked_anew(server: TlsServer) -> None:
    answers = iter([LOOPBACK, "10.0.0.1"])

    async def rebinding(_host: str, _port: int) -> Sequence[str]:
        return [next(answers)]

    transport = GuardedTransport(allow_loopback=True, resolver=rebinding, ssl_context=server.trusting)
    async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
        assert (await client.get(f"https://{NAME}:{server.port}/")).text == "ok"
        with pytest.raises(OutboundRefusedError):
            await client.get(f"https://{NAME}:{server.port}/")
    assert server.connections == 1


async def test_the_next_address_is_tried_when_one_does_not_answer(server: TlsServer) -> None:
    assert await get(f"https://{NAME}:{server.port}/", Names("127.0.0.9", LOOPBACK), server.trusting) == "ok"


async def test_a_name_without_an_address_cannot_be_reached(server: TlsServer) -> None:
    with pytest.raises(httpx.ConnectError):
        await get(f"https://{NAME}:{server.port}/", Names(), server.trusting)


async def test_the_transport_itself_refuses_what_the_url_check_refuses(server: TlsServer) -> None:
    names = Names(LOOPBACK)
    for url in (f"http://{NAME}:{server.port}/", f"https://user:secret@{NAME}:{server.port}/"):
        with pytest.raises(OutboundRefusedError):
            await get(url, names, server.trusting)
    assert names.lookups == []
