"""HTTP calls to URLs that somebody else named: only HTTPS, and never into our own network (SSRF protection).

The host is resolved here, all its addresses are checked, and the connection goes to one of them: a name that later
resolves to something else gains nothing. TLS still checks the name. Redirects and the environment's proxies are
ignored.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

import httpcore
import httpx

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Resolves a host and port to addresses.

Raises OSError or UnicodeError when there are none.
"""

# IANA's registry of special-purpose addresses, except the public ones; multicast and reserved addresses.
_SPECIAL_V4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        "168.63.129.16/32",  # a public address, but the metadata service of a cloud
    )
)
_PUBLIC_V6: Final = IPv6Network("2000::/3")
_SPECIAL_V6: Final = tuple(
    IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
_NAT64: Final = IPv6Network("64:ff9b::/96")

_HEXADECIMAL: Final = re.compile("0x[0-9a-f]*")
_LAST_PORT: Final = 65_535
_LONGEST_URL: Final = 2000
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_LONGEST_HOST: Final = 254
"""Including the root's dot."""
_RESOLVING_AT_ONCE: Final = 20


class OutboundRefusedError(Exception):
    """We do not call this address; the text says why, for whoever named it."""


class TooLargeError(Exception):
    """The answer is larger than the limit."""


def is_public(address: Address) -> bool:
    """Whether the address is on the public Internet."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    return address in _PUBLIC_V6 and not any(address in network for network in _SPECIAL_V6)


def may_call(address: Address, *, allow_loopback: bool) -> bool:
    """Whether we connect to the address."""
    return is_public(address) or (allow_loopback and address.is_loopback)


def check_url(url: str, *, allow_loopback: bool) -> str:
    """The normalised URL (RFC 3986): its host in ASCII (RFC 5891), everything else percent-encoded.

    Checks what the URL alone shows; names are resolved at each call.

    Raises:
        OutboundRefusedError: not an HTTPS URL, an impossible host name, a login, a fragment, or an address that we
            do not call. Plain HTTP is allowed to the loopback, if that is allowed.
    """
    try:
        parsed = httpx.URL(url)
        _check(parsed, allow_loopback=allow_loopback)
    except (httpx.InvalidURL, UnicodeError) as error:  # UnicodeError: an impossible host name
        raise OutboundRefusedError("this is not a URL") from error
    if _literal(parsed.host) is None and not _is_name(parsed.raw_host.decode()):
        raise OutboundRefusedError("the host is not a valid DNS name")
    if "#" in url:
        raise OutboundRefusedError("the URL must not hold a fragment (#…): it would never be sent")
    kept = str(parsed)
    if len(kept) > _LONGEST_URL:
        raise OutboundRefusedError(f"the URL becomes longer than {_LONGEST_URL} characters as it is called")
    return kept


def with_ascii_domain(address: str) -> str:
    """The e-mail address with its domain in ASCII (RFC 5891), which every mail server and vendor accepts."""
    local, _, domain = address.rpartition("@")
    if domain.isascii():
        return address
    try:
        return f"{local}@{httpx.URL(f'https://{domain}').raw_host.decode()}"
    except (httpx.InvalidURL, UnicodeError):
        return address


def _is_name(host: str) -> bool:
    """Whether it is a valid DNS name (RFC 1035, section 2.3.4); underscores are allowed because they occur."""
    labels = host.removesuffix(".").split(".")
    return len(host) <= _LONGEST_HOST and all(_LABEL.fullmatch(label) for label in labels)


def _check(url: httpx.URL, *, allow_loopback: bool) -> None:
    address = _literal(url.host)
    local = url.host == "localhost" or (address is not None and address.is_loopback)
    if url.scheme != "https" and not (url.scheme == "http" and allow_loopback and local):
        raise OutboundRefusedError("the URL must begin with https://")
    if not url.host:
        raise OutboundRefusedError("the URL names no host")
    if url.port is not None and not 0 < url.port <= _LAST_PORT:
        raise OutboundRefusedError("the URL's port is not valid")
    if url.userinfo:
        raise OutboundRefusedError("the URL must not hold a user name or a password")
    if address is not None:
        _require_callable([address], allow_loopback=allow_loopback)
    elif _ends_in_a_number(url.host) or (_is_local_name(url.host) and not allow_loopback):
        raise OutboundRefusedError("the host is not on the public Internet")


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _ends_in_a_number(host: str) -> bool:
    """Whether resolvers may read it as an address in another notation, such as 2130706433 or 0x7f.1 for 127.0.0.1.

    https://url.spec.whatwg.org/#ends-in-a-number-checker
    """
    last = host.removesuffix(".").rpartition(".")[-1].lower()
    return last.isdecimal() or _HEXADECIMAL.fullmatch(last) is not None


def _is_local_name(host: str) -> bool:
    """Whether it names this machine (RFC 6761, section 6.3)."""
    name = host.removesuffix(".").lower()
    return name == "localhost" or name.endswith(".localhost")


def _require_callable(addresses: Iterable[Address], *, allow_loopback: bool) -> None:
    if not all(may_call(address, allow_loopback=allow_loopback) for address in addresses):
        raise OutboundRefusedError("the host is not on the public Internet")


# --- resolving ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _resolving_threads() -> ThreadPoolExecutor:
    # A pool of its own: slow names must not use up the threads that resolve the database's host.
    return ThreadPoolExecutor(_RESOLVING_AT_ONCE, thread_name_prefix="outbound-resolver")


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, from the system's resolver."""

    def look_up() -> list[str]:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]

    return await asyncio.get_running_loop().run_in_executor(_resolving_threads(), look_up)


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects only to checked addresses."""

    def __init__(self, resolver: Resolver, *, allow_loopback: bool) -> None:
        self._inner = httpcore.AnyIOBackend()
        self._resolve = resolver
        self._allow_loopback = allow_loopback

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception = httpcore.ConnectError("the host has no address")
        for address in await self._addresses(host, port):
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = list(dict.fromkeys(await self._resolve(host, port)))
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("the host cannot be resolved") from error
        _require_callable((ip_address(one) for one in found), allow_loopback=self._allow_loopback)
        return found

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise OutboundRefusedError("sockets of this machine are not called")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's transport, restricted to valid URLs and checked addresses."""

    def __init__(
        self,
        *,
        allow_loopback: bool = False,
        resolver: Resolver = resolve,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        context = ssl_context or trusted_authorities()
        super().__init__(verify=context, trust_env=False)
        if not isinstance(self._pool, httpcore.AsyncConnectionPool):
            raise TypeError("httpx keeps its connections elsewhere: they would go unguarded")
        self._allow_loopback = allow_loopback
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context, network_backend=_GuardedBackend(resolver, allow_loopback=allow_loopback)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request.

        Raises:
            OutboundRefusedError: we do not call this address.
        """
        _check(request.url, allow_loopback=self._allow_loopback)
        return await super().handle_async_request(request)


@lru_cache(maxsize=1)
def trusted_authorities() -> ssl.SSLContext:
    """The trusted certificate authorities. Loading them takes tens of milliseconds: once per process."""
    return httpx.create_ssl_context()


def client(*, allow_loopback: bool, timeout_seconds: float) -> httpx.AsyncClient:
    """A client for calls to such URLs.

    The timeout applies to each connect, read and write: limit the whole call with `asyncio.timeout`.
    """
    return httpx.AsyncClient(
        transport=GuardedTransport(allow_loopback=allow_loopback),
        timeout=timeout_seconds,
        follow_redirects=False,
        trust_env=False,
    )


def is_about_tls(error: BaseException | None) -> bool:
    """Whether the connection failed because of TLS."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


async def read_limited(response: httpx.Response, limit: int) -> bytes:
    """The raw body of a streamed answer, at most `limit` bytes. Request it with `identity` encoding.

    Raises:
        TooLargeError: the body is larger.
    """
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limit:
            raise TooLargeError
    return bytes(body)
