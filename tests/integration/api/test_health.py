"""What tells an orchestrator, a dashboard and a client generator about the API."""

import re
from typing import Any

import pytest

from tests.api_client import ApiClient
from tests.integration.api.stage import Json, Stage, ok

OPERATIONS = {
    "login": "POST /v1/auth/login",
    "listMyBusinesses": "GET /v1/businesses",
    "createBusiness": "POST /v1/businesses",
    "getBusiness": "GET /v1/businesses/{business}",
    "changeBusiness": "PATCH /v1/businesses/{business}",
    "getBusinessPolicy": "GET /v1/businesses/{business}/policy",
    "createService": "POST /v1/businesses/{business}/services",
    "listServices": "GET /v1/businesses/{business}/services",
    "getService": "GET /v1/businesses/{business}/services/{service}",
    "changeService": "PATCH /v1/businesses/{business}/services/{service}",
    "createProvider": "POST /v1/businesses/{business}/providers",
    "listProviders": "GET /v1/businesses/{business}/providers",
    "getProvider": "GET /v1/businesses/{business}/providers/{provider}",
    "changeProvider": "PATCH /v1/businesses/{business}/providers/{provider}",
    "getProviderDetails": "GET /v1/businesses/{business}/providers/{provider}/details",
    "listMembers": "GET /v1/businesses/{business}/members",
    "putMember": "PUT /v1/businesses/{business}/members/{user_id}",
    "removeMember": "DELETE /v1/businesses/{business}/members/{user_id}/{role}",
    "getBusinessHours": "GET /v1/businesses/{business}/hours",
    "putBusinessHours": "PUT /v1/businesses/{business}/hours",
    "getProviderHours": "GET /v1/businesses/{business}/providers/{provider}/hours",
    "putProviderHours": "PUT /v1/businesses/{business}/providers/{provider}/hours",
    "listBusinessExceptions": "GET /v1/businesses/{business}/exceptions",
    "putBusinessException": "PUT /v1/businesses/{business}/exceptions/{date}",
    "deleteBusinessException": "DELETE /v1/businesses/{business}/exceptions/{date}",
    "listProviderExceptions": "GET /v1/businesses/{business}/providers/{provider}/exceptions",
    "putProviderException": "PUT /v1/businesses/{business}/providers/{provider}/exceptions/{date}",
    "deleteProviderException": "DELETE /v1/businesses/{business}/providers/{provider}/exceptions/{date}",
    "createBusinessTimeOff": "POST /v1/businesses/{business}/time-off",
    "listBusinessTimeOff": "GET /v1/businesses/{business}/time-off",
    "deleteBusinessTimeOff": "DELETE /v1/businesses/{business}/time-off/{time_off_id}",
    "createProviderTimeOff": "POST /v1/businesses/{business}/providers/{provider}/time-off",
    "listProviderTimeOff": "GET /v1/businesses/{business}/providers/{provider}/time-off",
    "deleteProviderTimeOff": "DELETE /v1/businesses/{business}/providers/{provider}/time-off/{time_off_id}",
    "getBusinessAreas": "GET /v1/businesses/{business}/areas",
    "putBusinessAreas": "PUT /v1/businesses/{business}/areas",
    "getProviderAreas": "GET /v1/businesses/{business}/providers/{provider}/areas",
    "putProviderAreas": "PUT /v1/businesses/{business}/providers/{provider}/areas",
    "createCustomer": "POST /v1/businesses/{business}/customers",
    "listCustomers": "GET /v1/businesses/{business}/customers",
    "searchCustomers": "POST /v1/businesses/{business}/customers/search",
    "getCustomer": "GET /v1/businesses/{business}/customers/{customer_id}",
    "changeCustomer": "PATCH /v1/businesses/{business}/customers/{customer_id}",
    "addConsent": "POST /v1/businesses/{business}/customers/{customer_id}/consents",
    "listConsents": "GET /v1/businesses/{business}/customers/{customer_id}/consents",
    "createBooking": "POST /v1/bookings",
    "listBookings": "GET /v1/bookings",
    "getBooking": "GET /v1/bookings/{booking_id}",
    "getBookingHistory": "GET /v1/bookings/{booking_id}/history",
    "getBookingNext": "GET /v1/bookings/{booking_id}/next",
    "acceptBooking": "POST /v1/bookings/{booking_id}/accept",
    "rejectBooking": "POST /v1/bookings/{booking_id}/reject",
    "startBooking": "POST /v1/bookings/{booking_id}/start",
    "completeBooking": "POST /v1/bookings/{booking_id}/complete",
    "reportNoShow": "POST /v1/bookings/{booking_id}/no-show",
    "cancelBooking": "POST /v1/bookings/{booking_id}/cancel",
    "rescheduleBooking": "POST /v1/bookings/{booking_id}/reschedule",
    "assignBooking": "POST /v1/bookings/{booking_id}/assign",
    "overrideBooking": "POST /v1/bookings/{booking_id}/override",
    "createHold": "POST /v1/holds",
    "getHold": "GET /v1/holds/{hold_id}",
    "releaseHold": "DELETE /v1/holds/{hold_id}",
    "listSlots": "GET /v1/businesses/{business}/slots",
    "exportBusiness": "GET /v1/businesses/{business}/export",
    "importBusiness": "POST /v1/businesses/{business}/import",
    "putExternalSource": "PUT /v1/businesses/{business}/external-source",
    "getExternalSource": "GET /v1/businesses/{business}/external-source",
    "deleteExternalSource": "DELETE /v1/businesses/{business}/external-source",
    "refreshExternalSource": "POST /v1/businesses/{business}/external-source/refresh",
    "livez": "GET /livez",
    "readyz": "GET /readyz",
    "health": "GET /health",
    "metrics": "GET /metrics",
}
PUBLIC = {
    "getBusiness",
    "getBusinessAreas",
    "getBusinessHours",
    "getProvider",
    "getProviderAreas",
    "getProviderHours",
    "health",
    "listBusinessExceptions",
    "listProviders",
    "listSlots",
    "livez",
    "login",
    "metrics",
    "readyz",
}


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


async def test_the_document_lists_every_operation_by_its_name(document: Json) -> None:
    assert document["openapi"].startswith("3.1")
    listed = {
        operation["operationId"]: f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert listed == OPERATIONS


async def test_the_document_says_which_operations_need_a_token(document: Json) -> None:
    for operations in document["paths"].values():
        for operation in operations.values():
            assert ("security" in operation) is (operation["operationId"] not in PUBLIC), operation["operationId"]


async def test_the_document_says_that_errors_are_problems(document: Json) -> None:
    for operations in document["paths"].values():
        for operation in operations.values():
            assert "application/problem+json" in operation["responses"]["default"]["content"]


async def test_the_document_s_booking_is_the_booking_that_is_answered(document: Json, stage: Stage) -> None:
    booking = await stage.book()
    described: dict[str, Any] = document["components"]["schemas"]["BookingOut"]
    assert list(described["properties"]) == list(booking)
    assert described["required"] == list(booking)


async def test_the_document_asks_for_the_idempotency_key_where_it_is_needed(document: Json) -> None:
    parameters = document["paths"]["/v1/bookings"]["post"]["parameters"]
    assert "Idempotency-Key" in {parameter["name"] for parameter in parameters}


async def test_people_can_read_the_document_too(api: ApiClient) -> None:
    answer = await api.get("/docs")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
