"""The effect of service areas on slots, holds and bookings."""

from typing import Any

import httpx
import pytest

from tests.support.schedules import a_day, at, hold, names_at, serve
from tests.support.stage import Stage, ok, problem

NOON = at(a_day(), 12)
ADDRESS = {"line1": "1 Main Street", "city": "New York", "country": "US"}


async def book(stage: Stage, postal_code: str | None, **body: Any) -> httpx.Response:
    """A booking at an address with this postal code, or with none."""
    address = ADDRESS | ({"postal_code": postal_code} if postal_code is not None else {})
    return await stage.as_("customer").book(stage.tenant, starts_at=stage.next_start(), address=address, **body)


async def is_served(stage: Stage, postal_code: str) -> bool:
    """What slots, bookings and holds all say."""
    answers = [
        await stage.api.get(f"/v1/businesses/{stage.tenant.slug}/slots", **_query(postal_code)),
        await book(stage, postal_code),
        await hold(stage.as_("owner"), stage, stage.next_start(), postal_code=postal_code),
    ]
    refused = [answer for answer in answers if answer.status_code == 422]
    for answer in refused:
        problem(answer, 422, "outside_service_area")
    assert len(refused) in (0, 3), [answer.status_code for answer in answers]
    return not refused


def _query(postal_code: str) -> dict[str, str]:
    day = a_day().isoformat()
    return {
        "service_id": "repair",
        "from": f"{day}T12:00:00Z",
        "to": f"{day}T13:00:00Z",
        "postal_code": postal_code,
    }


@pytest.mark.parametrize(
    ("area", "inside", "outside"),
    [
        (("exact", "10001", None), ["10001", " 10001 ", "1 00-01", "10001-0110"], ["10002", "1000", "100011"]),
        (("prefix", "100", None), ["10001", "10099-1234", "100"], ["10101", "10", "01001"]),
        (("range", "10001", "10299"), ["10001", "10118-0110", "10299-9999"], ["10000", "10300", "102", "1"]),
        (("prefix", "SW1A", None), ["SW1A 1AA", "sw1a1aa", "Sw1a-2aa"], ["SW1 1AA", "SW2A 1AA", "W1A 1AA"]),
        (("exact", "SW1A1AA", None), ["SW1A 1AA", "sw1a 1aa"], ["SW1A 1AB", "SW1A"]),
        (("prefix", "NG1", None), ["NG1 5DT"], ["NG11 2AA"]),
        (
            ("exact", "1500001", None),
            ["150-0001", "\u3012150-0001", "\uff11\uff15\uff10\uff0d\uff10\uff10\uff10\uff11"],
            ["150-0002"],
        ),
        (("range", "EC1A", "EC4Z"), ["EC1A 1BB", "ec4y 8ax"], ["EC5A 1BB", "E1 6AN"]),
    ],
)
async def test_slots_holds_and_bookings_agree_on_what_is_served(
    stage: Stage, area: tuple[str, str, str | None], inside: list[str], outside: list[str]
) -> None:
    await serve(stage, area)
    assert [code for code in [*inside, *outside] if await is_served(stage, code)] == inside


async def test_a_business_with_areas_must_be_told_where_and_one_without_goes_everywhere(stage: Stage) -> None:
    ok(await book(stage, None), 201)
    ok(await book(stage, "99999"), 201)
    await serve(stage, ("prefix", "100", None), ("exact", "90210", None))
    for answer in (
        await book(stage, None),
        await book(stage, " - "),
        await stage.as_("customer").book(stage.tenant, starts_at=stage.next_start()),
        await hold(stage.as_("customer"), stage, stage.next_start()),
    ):
        problem(answer, 422, "outside_service_area")
    where = await stage.as_("customer").book(stage.tenant, starts_at=stage.next_start())
    assert "postal_code" in where.json()["detail"]
    assert await names_at(stage, NOON) == ["ana", "ben"]
    ok(await book(stage, "90210"), 201)
    assert await stage.count("holds") == 0


async def test_a_provider_s_own_areas_narrow_where_they_go(stage: Stage) -> None:
    await serve(stage, ("exact", "10001", None), provider="ben")
    await serve(stage, ("prefix", "112", None), ("range", "10000", "10099"), provider="ana")
    for code, names in (("10001", ["ana", "ben"]), ("11201", ["ana"])):
        assert await names_at(stage, NOON, postal_code=code) == names
    ben = stage.tenant.providers["ben"]
    problem(await book(stage, "11201", provider_id=ben), 422, "outside_service_area")
    problem(await book(stage, "90210"), 422, "outside_service_area")
    assert "say where" in problem(await book(stage, None), 422, "outside_service_area")["detail"]
    assert ok(await book(stage, "10001", provider_id=ben), 201)["provider_id"] == str(ben)
    assert ok(await book(stage, "11201"), 201)["provider_id"] == str(stage.tenant.providers["ana"])
    await serve(stage, ("prefix", "1", None))
    problem(await book(stage, "90210"), 422, "outside_service_area")
    ok(await book(stage, "10001", provider_id=ben), 201)


async def test_a_refused_place_leaves_nothing(stage: Stage) -> None:
    await serve(stage, ("exact", "10001", None))
    problem(await book(stage, "10002", provider_id=stage.tenant.providers["ana"]), 422, "outside_service_area")
    for table in ("bookings", "reservations", "idempotency_keys", "holds"):
        assert await stage.count(table) == 0
