"""Delivery of one e-mail over one connection to a mail server, and what the server's answers mean."""

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
from runtime.outbound import is_about_tls, may_call, resolve

Security = Literal["tls", "starttls", "none"]

_REPLY_SECONDS: Final = 15.0
"""For each reply of the server."""
_CONNECT_SECONDS: Final = 5.0
_TLS_PORT: Final = 465
_SUBMISSION_PORT: Final = 587
_PERMANENT_FROM: Final = 500
"""RFC 5321, section 4.2.1: 5yz is permanent, 4yz is temporary (421, 450, 451, 452)."""

_CODES: Final = (
    (SMTPConnectError, "unreachable"),
    (SMTPTimeoutError, "timeout"),
    (SMTPServerDisconnected, "reply_lost"),
    (SMTPNotSupported, "smtp_not_supported"),
)


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server and how to connect to it."""

    host: str
    port: int
    security: Security
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    is_ours: bool = False
    """The installation's own, so it may be in our own network."""

    @classmethod
    def from_url(cls, url: str) -> "MailServer":
        """The installation's own: `smtp://user:password@host:587` or `smtps://…`.

        With `smtp`, TLS starts after connecting (STARTTLS), except with a server on this machine.
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


async def deliver(
    server: MailServer, message: EmailMessage, *, allow_loopback: bool, tls_context: ssl.SSLContext | None = None
) -> None:
    """Hand the message to the server. When this returns, the server has accepted it.

    Raises:
        VendorError: it was not accepted; after `reply_lost` and `timeout` it may have been.
    """
    with _translated_errors():
        sock = await _socket(server, allow_loopback=allow_loopback)
        async with _connected(server, sock, _domain_of(message), tls_context) as smtp:
            to = [quoted(recipient.addr_spec) for recipient in message["To"].addresses]
            await smtp.send_message(message, recipients=to)


def mailbox(name: str, address: str) -> Address | str:
    """One mailbox as written in a header such as `To` (RFC 5322, RFC 6532).

    Raises:
        ValueError: the address is invalid.
    """
    local, _, domain = address.rpartition("@")
    if needs_quotes(address):
        return quoted(address)
    if not local.isascii():  # Python refuses it as an `addr_spec`
        return Address(name, username=local, domain=domain)
    return Address(name, addr_spec=address)


def _domain_of(message: EmailMessage) -> str:
    """The host name for EHLO. The machine's own name means nothing outside and can be slow to find."""
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
        tls_context=context or _default_tls_context(),
        timeout=_REPLY_SECONDS,
    )
    try:
        await smtp.connect()
        if server.security == "starttls":
            await _start_tls(smtp)
        if server.username and server.password:
            await smtp.login(server.username, server.password)
        yield smtp
    finally:
        # The outcome is known by now: the reply to QUIT does not matter.
        with contextlib.suppress(SMTPException, OSError):
            await smtp.quit(timeout=1)
        smtp.close()  # closes the socket too


async def _start_tls(smtp: aiosmtplib.SMTP) -> None:
    await smtp.ehlo()
    if not smtp.supports_extension("starttls"):
        raise VendorError("tls_not_offered", permanent=True)
    await smtp.starttls()


async def _socket(server: MailServer, *, allow_loopback: bool) -> socket.socket:
    """A connection to an address that was checked: the name may resolve to another one a moment later."""
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
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except (SMTPException, OSError) as error:
        raise _as_vendor_error(error) from None


def _as_vendor_error(error: Exception) -> VendorError:
    if isinstance(error, SMTPRecipientsRefused):
        error = error.recipients[0]
    if isinstance(error, SMTPResponseException):
        return _of_reply(error)
    if is_about_tls(error):
        return VendorError("tls_failed")
    code = next((code for kind, code in _CODES if isinstance(error, kind)), "smtp_failed")
    return VendorError(code, permanent=isinstance(error, SMTPNotSupported))


def _of_reply(error: SMTPResponseException) -> VendorError:
    permanent = error.code >= _PERMANENT_FROM
    if permanent and isinstance(error, SMTPAuthenticationError):
        return VendorError("unauthorized", permanent=True)
    return VendorError(f"smtp_{error.code}", permanent=permanent)


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@lru_cache(maxsize=1)
def _default_tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()
