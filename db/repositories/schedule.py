"""Weekly hours, and dates with different hours, of a business and its providers.

`provider_id` None means the business as a whole, and each provider without their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories import businesses
from db.repositories.rows import execute, rows
from domain.hours import ExceptionKind, Weekly
from runtime.ids import new_id

_HOURS = text("""
SELECT provider_id IS NOT NULL AS own, weekday, opens_minute, closes_minute FROM weekly_hours
WHERE business_id = :business_id AND (provider_id IS NULL OR provider_id = CAST(:provider_id AS uuid))
ORDER BY weekday, opens_minute
""")
_CLEAR_HOURS = text("""
DELETE FROM weekly_hours
WHERE business_id = :business_id AND provider_id IS NOT DISTINCT FROM CAST(:provider_id AS uuid)
""")
_ADD_HOURS = text("""
INSERT INTO weekly_hours (id, business_id, provider_id, weekday, opens_minute, closes_minute)
SELECT r.id, CAST(:business_id AS uuid), CAST(:provider_id AS uuid), r.weekday, r.opens, r.closes
FROM unnest(CAST(:ids AS uuid[]), CAST(:weekdays AS int[]), CAST(:opens AS int[]), CAST(:closes AS int[]))
    AS r(id, weekday, opens, closes)
""")


@dataclass(frozen=True, slots=True)
class Hours:
    """Weekly hours by weekday and opening. `own` is False for a provider who has the business's."""

    own: bool
    rules: tuple[Weekly, ...]


async def list_hours(conn: AsyncConnection, business_id: UUID, provider_id: UUID | None) -> Hours:
    """The hours that apply: the provider's own if they have any, else the business's."""
    found = await rows(conn, _HOURS, {"business_id": business_id, "provider_id": provider_id})
    own = provider_id is None or any(row["own"] for row in found)
    is_providers = own and provider_id is not None
    return Hours(
        own=own,
        rules=tuple(
            Weekly(row["weekday"], row["opens_minute"], row["closes_minute"])
            for row in found
            if row["own"] == is_providers
        ),
    )


async def replace_hours(
    conn: AsyncConnection, business_id: UUID, provider_id: UUID | None, rules: Sequence[Weekly]
) -> None:
    """Replace the weekly hours; a provider without any has the business's."""
    owner: dict[str, Any] = {"business_id": business_id, "provider_id": provider_id}
    await businesses.lock(conn, business_id)
    await execute(conn, _CLEAR_HOURS, owner)
    columns = {
        "ids": [new_id() for _ in rules],
        "weekdays": [rule.weekday for rule in rules],
        "opens": [rule.opens for rule in rules],
        "closes": [rule.closes for rule in rules],
    }
    await execute(conn, _ADD_HOURS, owner | columns)


_EXCEPTIONS = text("""
SELECT date, yearly, kind, opens_minute, closes_minute, name FROM date_exceptions
WHERE business_id = :business_id AND provider_id IS NOT DISTINCT FROM CAST(:provider_id AS uuid)
  AND (yearly OR date BETWEEN :first AND :last)
ORDER BY date, opens_minute
""")
# A day of every year has one exception, whatever year it was given with.
_CLEAR_EXCEPTION = text("""
DELETE FROM date_exceptions
WHERE business_id = :business_id AND provider_id IS NOT DISTINCT FROM CAST(:provider_id AS uuid)
  AND (date = CAST(:day AS date)
       OR yearly AND CAST(:yearly AS boolean) AND to_char(date, 'MMDD') = to_char(CAST(:day AS date), 'MMDD'))
RETURNING 1
""")
_ADD_EXCEPTION = text("""
INSERT INTO date_exceptions (id, business_id, provider_id, date, yearly, kind, opens_minute, closes_minute, name)
SELECT r.id, CAST(:business_id AS uuid), CAST(:provider_id AS uuid), CAST(:day AS date), CAST(:yearly AS boolean),
       CAST(:kind AS text), r.opens, r.closes, CAST(:name AS text)
FROM unnest(CAST(:ids AS uuid[]), CAST(:opens AS int[]), CAST(:closes AS int[])) AS r(id, opens, closes)
""")


@dataclass(frozen=True, slots=True)
class ExceptionalDay:
    """A date with different hours. `intervals` are minutes after its midnight, none when it is closed."""

    day: date
    kind: ExceptionKind
    intervals: tuple[tuple[int, int], ...] = ()
    name: str = ""
    yearly: bool = False


async def list_exceptions(
    conn: AsyncConnection, business_id: UUID, provider_id: UUID | None, *, first: date, last: date
) -> list[ExceptionalDay]:
    """The provider's own exceptions, or the business's, from `first` to `last`; those of every year always."""
    parameters = {"business_id": business_id, "provider_id": provider_id, "first": first, "last": last}
    found = await rows(conn, _EXCEPTIONS, parameters)
    days = groupby(found, key=lambda row: (row["date"], row["kind"], row["name"], row["yearly"]))
    return [
        ExceptionalDay(day, ExceptionKind(kind), tuple(_intervals(parts)), name, yearly)
        for (day, kind, name, yearly), parts in days
    ]


def _intervals(parts: Any) -> list[tuple[int, int]]:
    return [(row["opens_minute"], row["closes_minute"]) for row in parts if row["opens_minute"] is not None]


async def replace_exception(
    conn: AsyncConnection, business_id: UUID, provider_id: UUID | None, exception: ExceptionalDay
) -> None:
    """Replace the exception of the date."""
    await businesses.lock(conn, business_id)
    await remove_exception(conn, business_id, provider_id, exception.day, yearly=exception.yearly)
    intervals: Sequence[tuple[int | None, int | None]] = exception.intervals or [(None, None)]
    parameters = {
        "business_id": business_id,
        "provider_id": provider_id,
        "day": exception.day,
        "yearly": exception.yearly,
        "kind": exception.kind,
        "name": exception.name,
        "ids": [new_id() for _ in intervals],
        "opens": [opens for opens, _ in intervals],
        "closes": [closes for _, closes in intervals],
    }
    await execute(conn, _ADD_EXCEPTION, parameters)


async def remove_exception(
    conn: AsyncConnection, business_id: UUID, provider_id: UUID | None, day: date, *, yearly: bool = False
) -> bool:
    """Delete the date's exception; with `yearly` also that of this day of every year. Whether there was one."""
    parameters = {"business_id": business_id, "provider_id": provider_id, "day": day, "yearly": yearly}
    return bool(await rows(conn, _CLEAR_EXCEPTION, parameters))
