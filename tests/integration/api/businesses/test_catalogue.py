"""The public catalogue: what anonymous callers may read of a business, and what they may not."""

import pytest
from sqlalchemy import update

from db.models import Business, Provider, Service
from runtime.ids import new_id
from tests.support.stage import Stage, ok, problem


@pytest.fixture(params=["id", "slug"])
def name(stage: Stage, request: pytest.FixtureRequest) -> str:
    """The business's name in the URL, both ways."""
    return str(stage.tenant.business_id) if request.param == "id" else stage.tenant.slug


async def test_a_business_is_read_without_logging_in(stage: Stage, name: str) -> None:
    body = ok(await stage.api.get(f"/v1/businesses/{name}"))
    assert body == {
        "id": str(stage.tenant.business_id),
        "slug": stage.tenant.slug,
        "name": "Test Business",
        "timezone": "America/New_York",
        "currency": "USD",
        "locale": "en-US",
        "status": "active",
        "guest_bookings": True,
        "booking": {
            "intake": "instant",
            "hold_minutes": 10,
            "cancellation": {"window_minutes": 0, "fee_percent": 0},
        },
    }


async def test_services_come_with_duration_buffers_and_price(stage: Stage, name: str) -> None:
    [service] = ok(await stage.api.get(f"/v1/businesses/{name}/services"))["items"]
    assert service == {
        "id": str(stage.tenant.service_id),
        "code": "repair",
        "name": "Repair",
        "description": "",
        "duration_minutes": 60,
        "buffer_before_minutes": 0,
        "buffer_after_minutes": 0,
        "price": {"amount_minor": 129_00, "currency": "USD"},
        "capacity": 1,
        "slot_step_minutes": 15,
        "min_notice_minutes": 0,
        "horizon_days": None,
        "daily_limit": None,
        "required_skills": ["repair"],
        "payment_mode": "none",
        "payment_at": "booking",
        "deposit_minor": None,
        "active": True,
    }
    assert ok(await stage.api.get(f"/v1/businesses/{name}/services/repair")) == service
    assert ok(await stage.api.get(f"/v1/businesses/{name}/services/{service['id']}")) == service


async def test_a_service_that_is_no_longer_offered_is_not_listed(stage: Stage) -> None:
    await stage.change(Service, active=False)
    assert ok(await stage.api.get(f"/v1/businesses/{stage.tenant.slug}/services"))["items"] == []


async def test_providers_come_best_first_and_without_their_contact_data(stage: Stage, name: str) -> None:
    async with stage.engine.begin() as conn:
        mine = Provider.business_id == stage.tenant.business_id
        await conn.execute(update(Provider).where(mine).values(email="canary@example.com", phone="+12125550100"))
    answer = await stage.api.get(f"/v1/businesses/{name}/providers")
    items = ok(answer)["items"]
    assert [(item["name"], item["rating"]) for item in items] == [("ana", 4.9), ("ben", 4.7)]
    members = {"id", "code", "name", "skills", "rating", "available", "timezone"}
    assert all(set(item) == members for item in items)
    alone = await stage.api.get(f"/v1/businesses/{name}/providers/ana")
    assert ok(alone) == items[0]
    for text in (answer.text, alone.text):
        assert "canary" not in text
        assert "5550100" not in text


@pytest.mark.parametrize(
    ("part", "minutes"),
    [("", 5), ("/services", 10), ("/services/repair", 10), ("/providers", 10), ("/providers/ana", 10)],
)
async def test_the_catalogue_may_be_kept_for_a_while_and_asked_about(
    stage: Stage, part: str, minutes: int
) -> None:
    path = f"/v1/businesses/{stage.tenant.slug}{part}"
    first = await stage.api.get(path)
    assert first.headers["Cache-Control"] == f"public, max-age={minutes * 60}"
    again = await stage.api.send("GET", path, **{"If-None-Match": f'"other", W/{first.headers["ETag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    await stage.change(Business if not part else Service if "services" in part else Provider, name="Another name")
    changed = await stage.api.send("GET", path, **{"If-None-Match": first.headers["ETag"]})
    assert "Another name" in changed.text
    assert changed.headers["ETag"] != first.headers["ETag"]


@pytest.mark.parametrize("part", ["", "/services", "/services/x", "/providers", "/providers/x"])
async def test_a_business_that_does_not_exist_is_404(stage: Stage, part: str) -> None:
    for unknown in ("no-such-business", str(new_id()), "x"):
        problem(await stage.api.get(f"/v1/businesses/{unknown}{part}"), 404, "not_found")
