"""The client's address, with the proxies that were configured seen through, and no others."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware


class SeenThrough:
    """Takes the last address of `X-Forwarded-For` that is no trusted proxy's, if such a proxy sent the request."""

    def __init__(self, app: ASGIApp, trusted: tuple[str, ...]) -> None:
        inner: Any = app
        self._app: Any = ProxyHeadersMiddleware(inner, list(trusted))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Put the client's address into the scope; the connection's own stays in its state as `peer`."""
        if scope["type"] == "http":
            peer = _plain(_host(scope))
            scope.setdefault("state", {})["peer"] = peer
            if peer is not None:
                scope["client"] = (peer, (scope["client"] or ("", 0))[1])
        await self._app(scope, receive, send)


def address_of(scope: Scope) -> str:
    """The client's address. Where a proxy named something that is none, the proxy's own."""
    return _plain(_host(scope)) or scope["state"].get("peer") or "unknown"


def _host(scope: Scope) -> str | None:
    client = scope.get("client")
    return client[0] if client else None


@lru_cache(maxsize=4096)
def _plain(address: str | None) -> str | None:
    """The one way of writing an address that we use; an IPv4 address that came over IPv6 is an IPv4 address."""
    try:
        ip = ip_address(address or "")
    except ValueError:
        return None
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped or IPv6Address(ip.packed))  # without a zone, which is a name on that host alone
    return str(ip)
