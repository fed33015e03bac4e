"""The client's address: from configured proxies only, never from the client's own headers."""

from uuid import UUID

import pytest
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.middleware.proxies import TrustedProxies, address_of
from runtime.settings import Settings
from tests.support.applications import running

PROXY, CLIENT, OTHER = "127.0.0.1", "203.0.113.9", "198.51.100.1"


async def seen(trusted: str, peer: str | None, *forwarded: bytes) -> str:
    """The address of a request that came from `peer` with these `X-Forwarded-For` fields."""
    found = []

    async def app(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        found.append(address_of(scope))

    headers = [(b"x-forwarded-for", value) for value in forwarded]
    scope = {"type": "http", "client": (peer, 40_000) if peer else None, "headers": headers, "scheme": "http"}
    networks = Settings(trusted_proxies=trusted).trusted_proxy_networks
    await TrustedProxies(app, networks)(scope, None, None)  # type: ignore[arg-type]
    return found[0]


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "address"),
    [
        ("", PROXY, [CLIENT.encode()], PROXY),
        ("10.0.0.0/8", OTHER, [CLIENT.encode()], OTHER),
        (PROXY, PROXY, [CLIENT.encode()], CLIENT),
        (PROXY, PROXY, [], PROXY),
        (PROXY, PROXY, [f"{OTHER}, {CLIENT}".encode()], CLIENT),
        (PROXY, PROXY, [OTHER.encode(), CLIENT.encode()], CLIENT),
        (f"{PROXY}, 10.0.0.7/8", PROXY, [f"{OTHER}, {CLIENT}, 10.9.9.9".encode()], CLIENT),
        (PROXY, "::ffff:127.0.0.1", [CLIENT.encode()], CLIENT),
        (PROXY, PROXY, [f"{CLIENT}:4711".encode()], CLIENT),
        (PROXY, PROXY, [b"[2001:DB8::1]:4711"], "2001:db8::1"),
        ("fd00::/8", "fd00::1", [b"2001:db8::1"], "2001:db8::1"),
        (PROXY, PROXY, [f"{CLIENT}, garbage".encode()], PROXY),
        (PROXY, PROXY, [b", ,,"], PROXY),
        (PROXY, PROXY, [b"\xff\xfe\x00"], PROXY),
        (PROXY, PROXY, [b"x" * 20_000], PROXY),
        (PROXY, None, [CLIENT.encode()], "unknown"),
    ],
)
async def test_only_a_configured_proxy_is_believed(
    trusted: str, peer: str | None, forwarded: list[bytes], address: str
) -> None:
    assert await seen(trusted, peer, *forwarded) == address


@pytest.mark.parametrize("trusted", ["*", "proxy.example", "10.0.0.0/99", "127.0.0.1 10.0.0.1"])
def test_what_is_no_network_is_a_mistake_in_the_configuration(trusted: str) -> None:
    with pytest.raises(ValidationError):
        Settings(trusted_proxies=trusted)


@pytest.mark.parametrize(("trusted", "address"), [("", PROXY), (PROXY, CLIENT)])
async def test_the_audit_log_has_that_address(
    settings: Settings, engine: AsyncEngine, api_url: str, trusted: str, address: str
) -> None:
    """Over a real connection, through the real server."""
    async with running(settings.model_copy(update={"trusted_proxies": trusted})) as app:
        answer = await app._http.get("/v1/businesses", headers={"X-Forwarded-For": f"{OTHER}, {CLIENT}"})
    assert answer.status_code == 401
    request_id = UUID(answer.json()["request_id"])
    async with engine.connect() as conn:
        query = text("SELECT address FROM audit_log WHERE request_id = :id")
        assert str((await conn.execute(query, {"id": str(request_id)})).scalar_one()).split("/")[0] == address
