"""Bulk reading and writing of a business's catalogue and calendar.

Rows are given by column names. Only the schema checks them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeVar
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, execute, rows
from runtime.ids import new_id
from runtime.json import to_json_text

_MILLISECOND: Final = 80
"""Bit position of a UUIDv7's timestamp."""
CHUNK: Final = 2000
"""Rows per statement, far below the statement timeout."""

ScheduleTable = Literal["weekly_hours", "date_exceptions", "time_off", "service_areas"]
Columns = Mapping[str, Any]
T = TypeVar("T")

_SERVICES = text("""
INSERT INTO services AS known (
    id, business_id, code, name, description, duration_minutes, buffer_before_minutes, buffer_after_minutes,
    price_minor, currency, capacity, slot_step_minutes, min_notice_minutes, horizon_days, daily_limit,
    required_skills, payment_mode, payment_at, deposit_minor, active
)
SELECT r.id, b.id, r.code, r.name, r.description, r.duration_minutes, r.buffer_before_minutes,
       r.buffer_after_minutes, r.price_minor, coalesce(r.currency, s.currency, b.currency), r.capacity,
       r.slot_step_minutes, r.min_notice_minutes, r.horizon_days, r.daily_limit, r.required_skills,
       r.payment_mode, r.payment_at, r.deposit_minor, r.active
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(
    id uuid, code text, name text, description text, duration_minutes int, buffer_before_minutes int,
    buffer_after_minutes int, price_minor int, currency text, capacity int, slot_step_minutes int,
    min_notice_minutes int, horizon_days int, daily_limit int, required_skills text[],
    payment_mode text, payment_at text, deposit_minor int, active boolean
)
JOIN businesses b ON b.id = :business_id
LEFT JOIN services s ON s.business_id = b.id AND s.code = r.code
ON CONFLICT (business_id, code) DO UPDATE SET
    name = excluded.name, description = excluded.description, duration_minutes = excluded.duration_minutes,
    buffer_before_minutes = excluded.buffer_before_minutes, buffer_after_minutes = excluded.buffer_after_minutes,
    price_minor = excluded.price_minor, currency = excluded.currency, capacity = excluded.capacity,
    slot_step_minutes = excluded.slot_step_minutes, min_notice_minutes = excluded.min_notice_minutes,
    horizon_days = excluded.horizon_days, daily_limit = excluded.daily_limit,
    required_skills = excluded.required_skills, payment_mode = excluded.payment_mode,
    payment_at = excluded.payment_at, deposit_minor = excluded.deposit_minor, active = excluded.active
WHERE (known.name, known.description, known.duration_minutes, known.buffer_before_minutes,
       known.buffer_after_minutes, known.price_minor, known.currency, known.capacity, known.slot_step_minutes,
       known.min_notice_minutes, known.horizon_days, known.daily_limit, known.required_skills, known.payment_mode,
       known.payment_at, known.deposit_minor, known.active)
    IS DISTINCT FROM
      (excluded.name, excluded.description, excluded.duration_minutes, excluded.buffer_before_minutes,
       excluded.buffer_after_minutes, excluded.price_minor, excluded.currency, excluded.capacity,
       excluded.slot_step_minutes, excluded.min_notice_minutes, excluded.horizon_days, excluded.daily_limit,
       excluded.required_skills, excluded.payment_mode, excluded.payment_at, excluded.deposit_minor,
       excluded.active)
RETURNING id
""")

_PROVIDERS = text("""
INSERT INTO providers AS known (
    id, business_id, code, name, email, phone, timezone, skills, rating, available, auto_accept
)
SELECT r.id, CAST(:business_id AS uuid), r.code, r.name, r.email, r.phone, r.timezone, r.skills, r.rating,
       r.available, r.auto_accept
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(
    id uuid, code text, name text, email text, phone text, timezone text, skills text[], rating numeric(3, 2),
    available boolean, auto_accept boolean
)
ON CONFLICT (business_id, code) DO UPDATE SET
    name = excluded.name, email = excluded.email, phone = excluded.phone, timezone = excluded.timezone,
    skills = excluded.skills, rating = excluded.rating, available = excluded.available,
    auto_accept = excluded.auto_accept
WHERE (known.name, known.email, known.phone, known.timezone, known.skills, known.rating, known.available,
       known.auto_accept)
    IS DISTINCT FROM
      (excluded.name, excluded.email, excluded.phone, excluded.timezone, excluded.skills, excluded.rating,
       excluded.available, excluded.auto_accept)
RETURNING id
""")


@dataclass(frozen=True, slots=True)
class Upserted:
    """The ids of created and of changed rows."""

    created: Sequence[UUID]
    updated: Sequence[UUID]


async def upsert_services(conn: AsyncConnection, business_id: UUID, services: Sequence[Columns]) -> Upserted:
    """Add services, or change those with the same codes.

    A currency of None keeps the current one, or means the business's for a new service.
    """
    return await _upsert(conn, business_id, _SERVICES, services)


async def upsert_providers(conn: AsyncConnection, business_id: UUID, providers: Sequence[Columns]) -> Upserted:
    """Add providers, or change those with the same codes."""
    return await _upsert(conn, business_id, _PROVIDERS, providers)


async def _upsert(
    conn: AsyncConnection, business_id: UUID, statement: TextClause, wanted: Sequence[Columns]
) -> Upserted:
    created: list[UUID] = []
    updated: list[UUID] = []
    for part in chunks(wanted):
        # A millisecond apart: the calendar's index distinguishes ids by their time, and reads far more when many
        # providers share one.
        new = {UUID(int=new_id().int + (n << _MILLISECOND)): row for n, row in enumerate(part)}
        parameters = {"business_id": business_id, "rows": _with_ids(new)}
        for written in await rows(conn, statement, parameters):
            (created if written["id"] in new else updated).append(written["id"])
    return Upserted(created, updated)


_LOCK_PROVIDERS = text("""
SELECT id, code FROM providers WHERE business_id = :business_id ORDER BY id FOR KEY SHARE
""")
_PROVIDER_ROWS = text("""
SELECT code, name, email, phone, timezone, skills, rating, available, auto_accept FROM providers
WHERE business_id = :business_id ORDER BY code
""")


async def lock_providers(conn: AsyncConnection, business_id: UUID) -> dict[str, UUID]:
    """The ids of all providers by code. No code changes until the transaction ends; bookings are not blocked."""
    return {row["code"]: row["id"] for row in await rows(conn, _LOCK_PROVIDERS, {"business_id": business_id})}


async def list_providers(conn: AsyncConnection, business_id: UUID) -> Sequence[Row]:
    """All providers with their contact data, by code."""
    return await rows(conn, _PROVIDER_ROWS, {"business_id": business_id})


def _list(table: ScheduleTable, columns: str, order: str, condition: str = "true") -> TextClause:
    return text(f"""
SELECT t.id, t.provider_id, p.code AS provider, {columns}
FROM {table} t LEFT JOIN providers p ON p.business_id = t.business_id AND p.id = t.provider_id
WHERE t.business_id = :business_id AND {condition}
ORDER BY p.code NULLS FIRST, {order}, t.id
""")  # noqa: S608 - made of the constants below


_HOURS = _list("weekly_hours", "weekday, opens_minute, closes_minute", "weekday, opens_minute")
_EXCEPTIONS = _list(
    "date_exceptions", "date, yearly, kind, opens_minute, closes_minute, t.name", "date, opens_minute"
)
_TIME_OFF = _list("time_off", "kind, starts_at, ends_at, note", "starts_at, ends_at, kind", "ends_at > :since")
_AREAS = _list("service_areas", "kind, first, last", 'first COLLATE "C", kind, last COLLATE "C"')


async def list_hours(conn: AsyncConnection, business_id: UUID) -> Sequence[Row]:
    """All weekly hours, the business's first, then by provider; the lists below have the same order."""
    return await rows(conn, _HOURS, {"business_id": business_id})


async def list_exceptions(conn: AsyncConnection, business_id: UUID) -> Sequence[Row]:
    """All dates with different hours."""
    return await rows(conn, _EXCEPTIONS, {"business_id": business_id})


async def list_time_off(conn: AsyncConnection, business_id: UUID, *, since: datetime) -> Sequence[Row]:
    """All time off that ends after `since`."""
    return await rows(conn, _TIME_OFF, {"business_id": business_id, "since": since})


async def list_areas(conn: AsyncConnection, business_id: UUID) -> Sequence[Row]:
    """All service areas."""
    return await rows(conn, _AREAS, {"business_id": business_id})


def _add(table: ScheduleTable, columns: Mapping[str, str]) -> TextClause:
    names = ", ".join(columns)
    typed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    return text(f"""
INSERT INTO {table} (id, business_id, provider_id, {names})
SELECT id, CAST(:business_id AS uuid), provider_id, {names}
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id uuid, provider_id uuid, {typed})
""")  # noqa: S608 - made of the constants below


_MINUTES: Final = {"opens_minute": "int", "closes_minute": "int"}
_ADD: Final[dict[ScheduleTable, TextClause]] = {
    "weekly_hours": _add("weekly_hours", {"weekday": "int"} | _MINUTES),
    "date_exceptions": _add(
        "date_exceptions", {"date": "date", "yearly": "boolean", "kind": "text", "name": "text"} | _MINUTES
    ),
    "time_off": _add(
        "time_off", {"kind": "text", "starts_at": "timestamptz", "ends_at": "timestamptz", "note": "text"}
    ),
    "service_areas": _add("service_areas", {"kind": "text", "first": "text", "last": "text"}),
}
_REMOVE: Final[dict[str, TextClause]] = {
    table: text(f"DELETE FROM {table} WHERE business_id = :business_id AND id = ANY(CAST(:ids AS uuid[]))")  # noqa: S608
    for table in _ADD
}


async def add(conn: AsyncConnection, business_id: UUID, table: ScheduleTable, wanted: Sequence[Columns]) -> None:
    """Add rows to a calendar table, with the columns of its list above."""
    for part in chunks(wanted):
        parameters = {"business_id": business_id, "rows": _with_ids({new_id(): row for row in part})}
        await execute(conn, _ADD[table], parameters)


async def remove(conn: AsyncConnection, business_id: UUID, table: ScheduleTable, ids: Sequence[UUID]) -> None:
    """Delete rows from a calendar table."""
    for part in chunks(ids):
        await execute(conn, _REMOVE[table], {"business_id": business_id, "ids": part})


def chunks(wanted: Sequence[T]) -> Iterator[Sequence[T]]:
    """Split into chunks for one statement each."""
    return (wanted[start : start + CHUNK] for start in range(0, len(wanted), CHUNK))


def _with_ids(wanted: Mapping[UUID, Columns]) -> str:
    return to_json_text([{**row, "id": id_} for id_, row in wanted.items()])
