"""The client's address behind the configured proxies, and no others."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware


class TrustedProxies:
    """Uses the last untrusted address of `X-Forwarded-For`, if a trusted proxy sent the request."""

    def __init__(self, app: ASGIApp, trusted: tuple[str, ...]) -> None:
        inner: Any = app
        self._app: Any = ProxyHeadersMiddleware(inner, list(trusted))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Put the client's address into the scope; the state keeps the connection's own as `peer`."""
        if scope["type"] in ("http", "websocket"):
            peer = plain_address(_host(scope))
            scope.setdefault("state", {})["peer"] = peer
            if peer is not None:
                scope["client"] = (peer, (scope["client"] or ("", 0))[1])
        await self._app(scope, receive, send)


def address_of(scope: Scope) -> str:
    """The client's address; the proxy's own if it forwarded something that is no address."""
    return plain_address(_host(scope)) or scope["state"].get("peer") or "unknown"


def _host(scope: Scope) -> str | None:
    client = scope.get("client")
    return client[0] if client else None


@lru_cache(maxsize=4096)
def plain_address(address: str | None) -> str | None:
    """The address in canonical form; a mapped IPv4 address becomes IPv4."""
    try:
        ip = ip_address(address or "")
    except ValueError:
        return None
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped or IPv6Address(ip.packed))  # without a zone, which is local to the host
    return str(ip)
