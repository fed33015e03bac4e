"""Health checks, metrics and the OpenAPI document."""

import re
from typing import Any

import pytest

from tests.support.api_client import ApiClient
from tests.support.stage import Json, Stage, ok


async def test_alive_ready_and_healthy(api: ApiClient) -> None:
    assert ok(await api.get("/livez")) == {"status": "ok"}
    checks = {"database": "ok", "temporal": "ok"}
    assert ok(await api.get("/readyz")) == {"status": "ok", "checks": checks}
    health = ok(await api.get("/health"))
    assert set(health) == {"status", "version", "uptime_seconds", "checks"}
    assert (health["status"], health["checks"]) == ("ok", checks)
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", health["version"])
    assert health["uptime_seconds"] >= 0


async def test_metrics_count_requests_by_route_and_never_by_id(stage: Stage) -> None:
    booking = await stage.book()
    ok(await stage.as_("customer").get(f"/v1/bookings/{booking['id']}"))
    ok(await stage.as_("customer").command(booking["id"], "cancel"))
    answer = await stage.api.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    text = answer.text
    assert 'route="/v1/bookings/{booking_id}",status="200"' in text
    assert 'holdfast_commands_total{command="cancel",outcome="done"}' in text
    for name in ("holdfast_bookings_created_total", "holdfast_starts_waiting", "holdfast_workflow_starts_total"):
        assert f"\n{name}" in text
    assert booking["id"] not in text
    assert str(stage.tenant.business_id) not in text


async def test_paths_that_do_not_exist_do_not_grow_the_metrics(api: ApiClient) -> None:
    await api.get("/nowhere/canary-7d2e")
    assert "canary-7d2e" not in (await api.get("/metrics")).text


@pytest.fixture
async def document(api: ApiClient) -> Json:
    return ok(await api.get("/openapi.json"))


async def test_the_document_s_booking_is_the_booking_that_is_answered(document: Json, stage: Stage) -> None:
    booking = await stage.book()
    described: dict[str, Any] = document["components"]["schemas"]["BookingOut"]
    assert list(described["properties"]) == list(booking)
    assert described["required"] == list(booking)


async def test_the_document_asks_for_the_idempotency_key_where_it_is_needed(document: Json) -> None:
    parameters = document["paths"]["/v1/bookings"]["post"]["parameters"]
    assert "Idempotency-Key" in {parameter["name"] for parameter in parameters}


async def test_people_can_read_the_document_too_without_the_internet(api: ApiClient) -> None:
    answer = await api.get("/docs")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "//" not in answer.text
    named = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert [(path, (await api.get(path)).headers["Content-Type"].partition(";")[0]) for path in named] == [
        ("/docs/favicon.png", "image/png"),
        ("/docs/swagger-ui.css", "text/css"),
        ("/docs/swagger-ui-bundle.js", "text/javascript"),
        ("/docs/start.js", "text/javascript"),
    ]
    assert '"/openapi.json"' in (await api.get("/docs/start.js")).text
