"""PostgreSQL is unavailable: requests that need it get 503, and the process survives."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from runtime.ids import new_id
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.applications import running
from tests.support.factories import Tenant, future
from tests.support.stage import ok, problem


@pytest.fixture(scope="module", params=["no socket", "no listener"])
async def cut_off(
    settings: Settings, temporal: object, request: pytest.FixtureRequest
) -> AsyncIterator[ApiClient]:
    """An API that finds no PostgreSQL."""
    urls = {
        "no socket": "postgresql://holdfast@/holdfast?host=/nonexistent",
        "no listener": "postgresql://holdfast@127.0.0.1:1/holdfast",
    }
    async with running(settings.model_copy(update={"database_url": urls[request.param]})) as client:
        yield client


def requests(tenant: Tenant) -> list[tuple[str, str, Any]]:
    """One request of every kind that needs the database."""
    booking = f"/v1/bookings/{new_id()}"
    creation = {"business_id": tenant.slug, "service_id": "repair", "starts_at": future().isoformat()}
    return [
        ("POST", "/v1/auth/login", {"email": "a@example.com", "password": "x"}),
        ("GET", "/v1/businesses/anything", None),
        ("GET", "/v1/businesses/anything/services", None),
        ("GET", "/v1/businesses/anything/providers", None),
        ("POST", "/v1/bookings", creation),
        ("GET", "/v1/bookings", None),
        ("GET", booking, None),
        ("GET", f"{booking}/history", None),
        ("GET", f"{booking}/next", None),
        ("POST", f"{booking}/accept", None),
        ("POST", f"{booking}/cancel", {"reason": "x"}),
    ]


async def test_whatever_needs_the_database_is_503_without_a_trace(cut_off: ApiClient, tenant: Tenant) -> None:
    client = cut_off.as_(tenant.principals["admin"])
    for method, path, body in requests(tenant):
        post = method == "POST"
        answer = await (client.post(path, body, **{"Idempotency-Key": "key"}) if post else client.get(path))
        refusal = problem(answer, 503, "database_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert set(refusal) == {"type", "title", "status", "detail", "code", "request_id"}
        for inside in ("asyncpg", "sqlalchemy", "nonexistent", "127.0.0.1", "Errno"):
            assert inside not in answer.text


async def test_the_process_lives_but_is_not_ready_and_says_why(cut_off: ApiClient) -> None:
    assert ok(await cut_off.get("/livez")) == {"status": "ok"}
    ready = ok(await cut_off.get("/readyz"), 503)
    assert ready == {"status": "unavailable", "checks": {"database": "unavailable", "temporal": "ok"}}
    health = ok(await cut_off.get("/health"), 503)
    assert health["status"] == "unavailable"
    assert health["checks"]["database"] == "unavailable"


async def test_what_needs_no_database_is_answered_as_ever(cut_off: ApiClient, tenant: Tenant) -> None:
    problem(await cut_off.get("/v1/bookings"), 401, "unauthenticated")
    problem(await cut_off.get("/nowhere"), 404, "not_found")
    answer = await cut_off.book(tenant, starts_at="never")
    problem(answer, 422, "invalid_request")
    assert (await cut_off.get("/openapi.json")).status_code == 200
