"""Schedules, slots and holds: rules are written to the database, queries go through the API."""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx
from sqlalchemy import insert, text

from db.models import Service, ServiceArea, WeeklyHours
from domain.callers import Principal
from runtime.ids import new_id
from tests.support.api_client import ApiClient
from tests.support.factories import add_user
from tests.support.stage import Json, Stage, ok

NEW_YORK = ZoneInfo("America/New_York")
ONE_DAY = timedelta(days=1)

Offer = tuple[datetime, str]
"""An appointment's start and a provider's id."""


def a_day(days: int = 10) -> date:
    """A day in New York, some days ahead, with no clock change near it."""
    first = datetime.now(NEW_YORK).date() + days * ONE_DAY
    ahead = (first + n * ONE_DAY for n in range(30))
    return next(day for day in ahead if all(hours_of(day + n * ONE_DAY) == 24 for n in range(-2, 9)))


def at(day: date, hour: int, minute: int = 0, zone: ZoneInfo = NEW_YORK, fold: int = 0) -> datetime:
    """A time on the wall clock of that day."""
    return datetime.combine(day, time(hour, minute, fold=fold), tzinfo=zone)


def clock_change(zone: ZoneInfo, *, forward: bool) -> date:
    """The next day after tomorrow on which the zone's clock changes."""
    first = datetime.now(zone).date() + 2 * ONE_DAY
    days = (first + n * ONE_DAY for n in range(370))
    return next(day for day in days if (hours_of(day, zone) < 24) == forward and hours_of(day, zone) != 24)


def hours_of(day: date, zone: ZoneInfo = NEW_YORK) -> float:
    """The length of the day in hours."""
    seconds = at(day + ONE_DAY, 0, zone=zone).timestamp() - at(day, 0, zone=zone).timestamp()
    return seconds / 3600


async def insert_rows(stage: Stage, model: Any, *rows: dict[str, Any]) -> None:
    """Rows of this business."""
    own = {"business_id": stage.tenant.business_id}
    async with stage.engine.begin() as conn:
        for row in rows:
            await conn.execute(insert(model).values({"id": new_id()} | own | row))


async def execute(stage: Stage, statement: str, **parameters: Any) -> None:
    """Execute one statement in its own transaction; `:business_id` is the stage's."""
    own = {"business_id": stage.tenant.business_id} if ":business_id" in statement else {}
    async with stage.engine.begin() as conn:
        await conn.execute(text(statement), own | parameters)


async def fetch(stage: Stage, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of a query; `:business_id` is the stage's."""
    async with stage.engine.connect() as conn:
        found = await conn.execute(text(statement), {"business_id": stage.tenant.business_id} | parameters)
        return [tuple(row) for row in found]


async def add_service(stage: Stage, code: str, **columns: Any) -> UUID:
    """Add a service that every provider with the skill `repair` can do."""
    service_id = new_id()
    values = {"duration_minutes": 60, "price_minor": 50_00, "currency": "USD", "required_skills": ["repair"]}
    await insert_rows(stage, Service, values | {"id": service_id, "code": code, "name": code} | columns)
    return service_id


async def keep_hours(stage: Stage, *hours: tuple[int, int], provider: str | None = None) -> None:
    """Replace the owner's hours: open daily at these minutes of the day."""
    owner = stage.tenant.providers[provider] if provider else None
    await execute(
        stage,
        "DELETE FROM weekly_hours WHERE business_id = :business_id AND provider_id IS NOT DISTINCT FROM :owner",
        owner=owner,
    )
    rows = [
        {"provider_id": owner, "weekday": weekday, "opens_minute": opens, "closes_minute": closes}
        for weekday in range(1, 8)
        for opens, closes in hours
    ]
    await insert_rows(stage, WeeklyHours, *rows)


async def serve(stage: Stage, *areas: tuple[str, str, str | None], provider: str | None = None) -> None:
    """Set the service areas of the business or of one provider: kind, first and last."""
    owner = stage.tenant.providers[provider] if provider else None
    rows = [{"provider_id": owner, "kind": kind, "first": first, "last": last} for kind, first, last in areas]
    await insert_rows(stage, ServiceArea, *rows)


async def newcomer(stage: Stage) -> ApiClient:
    """A user who is new to the business."""
    async with stage.engine.begin() as conn:
        return stage.api.as_(Principal(user_id=await add_user(conn, "newcomer")))


async def newcomers(stage: Stage, count: int) -> list[ApiClient]:
    """Several of them."""
    return [await newcomer(stage) for _ in range(count)]


async def ask(stage: Stage, from_: Any, to: Any, **params: Any) -> httpx.Response:
    """The answer to an anonymous request for slots; times may be dates or instants."""
    query = {"service_id": "repair", "from": _text(from_), "to": _text(to)} | params
    return await stage.api.get(f"/v1/businesses/{stage.tenant.slug}/slots", **query)


async def slots(stage: Stage, from_: Any, to: Any, **params: Any) -> list[Json]:
    """The available slots."""
    items: list[Json] = ok(await ask(stage, from_, to, **params))["items"]
    return items


async def slot_at(stage: Stage, starts_at: datetime, **params: Any) -> Json | None:
    """The slot that starts at this time, if it is offered."""
    found = await slots(stage, starts_at, starts_at + timedelta(seconds=1), **params)
    return found[0] if found else None


async def names_at(stage: Stage, starts_at: datetime, **params: Any) -> list[str]:
    """The names of the providers offered at this time."""
    slot = await slot_at(stage, starts_at, **params)
    return [stage.tenant.name_of(provider_id) for provider_id in slot["provider_ids"]] if slot else []


def offers(items: Iterable[Json]) -> set[Offer]:
    """Every start with every provider offered for it."""
    return {
        (datetime.fromisoformat(item["starts_at"]), provider_id)
        for item in items
        for provider_id in item["provider_ids"]
    }


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


async def hold(
    caller: ApiClient, stage: Stage, starts_at: Any, *, key: str | None = None, **body: Any
) -> httpx.Response:
    """`POST /v1/holds` for `repair`."""
    request: Json = {"business_id": stage.tenant.slug, "service_id": "repair", "starts_at": starts_at} | body
    request = {name: _text(value) for name, value in request.items()}
    return await caller.post("/v1/holds", request, **{"Idempotency-Key": key or str(uuid4())})


async def held(stage: Stage, starts_at: datetime, **body: Any) -> Json:
    """A hold by the customer."""
    return ok(await hold(stage.as_("customer"), stage, starts_at, **body), 201)


async def run_out(stage: Stage, held_: Json, *, in_seconds: float = -1) -> None:
    """Let the hold expire now, or in this many seconds."""
    for table in ("holds", "reservations"):
        await execute(
            stage,
            f"UPDATE {table} SET expires_at = clock_timestamp() + make_interval(secs => :seconds) WHERE id = :id",
            id=UUID(held_["id"]),
            seconds=in_seconds,
        )


async def redeem(stage: Stage, kept: Json, *, key: str | None = None, **body: Any) -> httpx.Response:
    """The customer's request to redeem the hold for a booking."""
    request = {"starts_at": kept["starts_at"], "hold_id": kept["id"]} | body
    return await stage.as_("customer").book(stage.tenant, key=key, **request)


async def state_of(stage: Stage, kept: Json) -> tuple[str, str | None]:
    """Status and booking of the customer's hold, from the API."""
    seen = ok(await stage.as_("customer").get(f"/v1/holds/{kept['id']}"))
    return seen["status"], seen["booking_id"]


async def give_back(stage: Stage, kept: Json) -> httpx.Response:
    return await stage.as_("customer").send("DELETE", f"/v1/holds/{kept['id']}")
