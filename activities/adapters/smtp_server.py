"""One mail over one connection to a mail server, and what its answers mean."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

import aiosmtplib
from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from domain.effects import VendorError
from domain.mail_addresses import needs_quotes, quoted
from runtime.outbound import may_call, resolve

Security = Literal["tls", "starttls", "none"]

_SECONDS: Final = 15.0
"""For each answer of the server."""
_CONNECT_SECONDS: Final = 5.0
_TLS_PORT: Final = 465
_SUBMISSION_PORT: Final = 587
_PERMANENT_FROM: Final = 500
"""RFC 5321, section 4.2.1: 5yz is for good, 4yz passes (421, 450, 451, 452)."""

_CODES: Final = (
    (SMTPConnectError, "unreachable"),
    (SMTPTimeoutError, "timeout"),
    (SMTPServerDisconnected, "reply_lost"),
    (SMTPNotSupported, "smtp_not_supported"),
)


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where a mail is handed in."""

    host: str
    port: int
    security: Security
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    is_ours: bool = False
    """Whoever runs this installation has named it, so it may lie in our own network."""

    @classmethod
    def from_url(cls, url: str) -> "MailServer":
        """The installation's own: `smtp://user:password@host:587` or `smtps://…`.

        By `smtp` TLS is begun after connecting (STARTTLS), except with a server on this machine.
        """
        parts = urlsplit(url)
        host = parts.hostname or "localhost"
        tls = parts.scheme == "smtps"
        return cls(
            host=host,
            port=parts.port or (_TLS_PORT if tls else _SUBMISSION_PORT),
            security="tls" if tls else "none" if _is_this_machine(host) else "starttls",
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            is_ours=True,
        )


async def hand_in(
    server: MailServer, message: EmailMessage, *, allow_loopback: bool, tls_context: ssl.SSLContext | None = None
) -> None:
    """Hand a mail in. When this returns, the server has said that it will deliver it.

    Raises:
        VendorError: it has not. `reply_lost` and `timeout` after the content was sent: it may all the same.
    """
    with _understood():
        sock = await _socket(server, allow_loopback=allow_loopback)
        async with _connected(server, sock, _domain_of(message), tls_context) as smtp:
            to = [quoted(recipient.addr_spec) for recipient in message["To"].addresses]
            await smtp.send_message(message, recipients=to)


def mailbox(name: str, address: str) -> Address | str:
    """One person as they are written in a field such as `To` (RFC 5322, RFC 6532).

    Raises:
        ValueError: the address is none.
    """
    local, _, domain = address.rpartition("@")
    if needs_quotes(address):
        return quoted(address)
    if not local.isascii():  # as an `addr_spec` Python refuses it
        return Address(name, username=local, domain=domain)
    return Address(name, addr_spec=address)


def _domain_of(message: EmailMessage) -> str:
    """What we call ourselves: the name that this machine has by itself says nothing outside, and may take long."""
    domain = str(message["From"].addresses[0].domain)
    return domain if domain.isascii() else "localhost"


@asynccontextmanager
async def _connected(
    server: MailServer, sock: socket.socket, own_name: str, context: ssl.SSLContext | None
) -> AsyncIterator[aiosmtplib.SMTP]:
    smtp = aiosmtplib.SMTP(
        hostname=server.host,
        local_hostname=own_name,
        sock=sock,
        use_tls=server.security == "tls",
        start_tls=False,
        tls_context=context or _trusting_the_usual(),
        timeout=_SECONDS,
    )
    try:
        await smtp.connect()
        if server.security == "starttls":
            await _start_tls(smtp)
        if server.username and server.password:
            await smtp.login(server.username, server.password)
        yield smtp
    finally:
        # It has answered, or it will not: what it says to QUIT changes nothing.
        with contextlib.suppress(SMTPException, OSError):
            await smtp.quit(timeout=1)
        smtp.close()  # and with it the socket, which is the connection's now


async def _start_tls(smtp: aiosmtplib.SMTP) -> None:
    await smtp.ehlo()
    if not smtp.supports_extension("starttls"):
        raise VendorError("tls_not_offered", permanent=True)
    await smtp.starttls()


async def _socket(server: MailServer, *, allow_loopback: bool) -> socket.socket:
    """A connection to an address that was checked; the name may mean another one a moment later."""
    for address in await _addresses(server, allow_loopback=allow_loopback):
        with contextlib.suppress(OSError, TimeoutError):
            return await asyncio.wait_for(_connect(address, server.port), _CONNECT_SECONDS)
    raise VendorError("unreachable")


async def _addresses(server: MailServer, *, allow_loopback: bool) -> list[str]:
    try:
        found = list(dict.fromkeys(await resolve(server.host, server.port)))
    except (OSError, UnicodeError):
        raise VendorError("unreachable") from None
    known = [ip_address(address) for address in found]
    if not server.is_ours and not all(may_call(address, allow_loopback=allow_loopback) for address in known):
        raise VendorError("address_not_allowed", permanent=True)
    if server.security == "none" and not server.is_ours and not all(address.is_loopback for address in known):
        raise VendorError("connection_not_secret", permanent=True)
    return found


async def _connect(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock


@contextlib.contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except (SMTPException, OSError) as error:
        raise _meaning(error) from None


def _meaning(error: Exception) -> VendorError:
    if isinstance(error, SMTPRecipientsRefused):
        error = error.recipients[0]
    if isinstance(error, SMTPResponseException):
        return _answered(error)
    if _is_about_tls(error):
        return VendorError("tls_failed")
    code = next((code for kind, code in _CODES if isinstance(error, kind)), "smtp_failed")
    return VendorError(code, permanent=isinstance(error, SMTPNotSupported))


def _answered(error: SMTPResponseException) -> VendorError:
    permanent = error.code >= _PERMANENT_FROM
    if permanent and isinstance(error, SMTPAuthenticationError):
        return VendorError("unauthorized", permanent=True)
    return VendorError(f"smtp_{error.code}", permanent=permanent)


def _is_about_tls(error: BaseException | None) -> bool:
    """Above all a certificate that is not valid for this host."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@lru_cache(maxsize=1)
def _trusting_the_usual() -> ssl.SSLContext:
    return ssl.create_default_context()
