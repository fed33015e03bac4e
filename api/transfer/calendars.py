"""Storing imported hours, exceptions, time off and areas as the difference to what is stored."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from api.transfer.sets import Rows
from api.transfer.shapes import ExceptionRow, Section, Tally, WithOwner
from api.transfer.validation import Plan
from db.repositories import transfer
from db.repositories.rows import Row
from db.repositories.transfer import Columns, ScheduleTable

_KEYS: Final[dict[ScheduleTable, tuple[str, ...]]] = {
    "weekly_hours": ("provider", "weekday", "opens_minute", "closes_minute"),
    "date_exceptions": ("provider", "date", "yearly", "kind", "opens_minute", "closes_minute", "name"),
    "time_off": ("provider", "kind", "starts_at", "ends_at"),
    "service_areas": ("provider", "kind", "first", "last"),
}
"""The key of a calendar row."""


async def store(
    conn: AsyncConnection, business_id: UUID, plan: Plan, providers: Mapping[str, UUID]
) -> dict[str, Tally]:
    """Store the calendars of a plan, all of whose providers are in `providers`: ids by code.

    Owners who are named have these hours and areas from now on, and no others; dates that are named, these
    exceptions. Time off is only added.
    """
    writer = _Writer(conn, business_id, providers)
    return {
        Section.HOURS: await writer.replace_hours(plan),
        Section.EXCEPTIONS: await writer.replace_exceptions(plan),
        Section.TIME_OFF: await writer.add_time_off(plan),
        Section.AREAS: await writer.replace_areas(plan),
    }


class _Writer:
    def __init__(self, conn: AsyncConnection, business_id: UUID, providers: Mapping[str, UUID]) -> None:
        self._conn = conn
        self._business_id = business_id
        self._providers = providers

    async def replace_hours(self, plan: Plan) -> Tally:
        stored = await transfer.list_hours(self._conn, self._business_id)
        return await self._write("weekly_hours", _of_owners(stored, plan.hours), self._columns(plan.hours))

    async def replace_exceptions(self, plan: Plan) -> Tally:
        stored = await transfer.list_exceptions(self._conn, self._business_id)
        wanted = self._columns(plan.exceptions)
        return await self._write("date_exceptions", _of_dates(stored, plan.exceptions), wanted)

    async def add_time_off(self, plan: Plan) -> Tally:
        if not plan.time_off:
            return Tally()
        since = min(one.row.starts_at for one in plan.time_off)
        stored = await transfer.list_time_off(self._conn, self._business_id, since=since)
        wanted = self._columns(plan.time_off)
        keys = {_key("time_off", row) for row in wanted}
        return await self._write("time_off", [row for row in stored if _key("time_off", row) in keys], wanted)

    async def replace_areas(self, plan: Plan) -> Tally:
        stored = await transfer.list_areas(self._conn, self._business_id)
        return await self._write("service_areas", _of_owners(stored, plan.areas), self._columns(plan.areas))

    def _columns(self, rows: Rows[WithOwner]) -> list[Columns]:
        found: list[Columns] = []
        for one in rows:
            code = one.row.provider
            owner = {"provider": code, "provider_id": None if code is None else self._providers[code]}
            found.append(one.row.columns() | owner)
        return found

    async def _write(self, table: ScheduleTable, stored: Sequence[Row], wanted: Sequence[Columns]) -> Tally:
        """Replace the stored rows by the wanted ones, each once."""
        known = {_key(table, row) for row in stored}
        named = {_key(table, row): row for row in wanted}
        new = [row for key, row in named.items() if key not in known]
        gone = [row["id"] for row in stored if _key(table, row) not in named]
        await transfer.remove(self._conn, self._business_id, table, gone)
        await transfer.add(self._conn, self._business_id, table, new)
        return Tally(created=len(new), unchanged=len(wanted) - len(new), removed=len(gone))


def _key(table: ScheduleTable, row: Columns) -> Hashable:
    return tuple(row[name] for name in _KEYS[table])


def _of_owners(stored: Sequence[Row], rows: Rows[WithOwner]) -> list[Row]:
    owners = {one.row.provider for one in rows}
    return [row for row in stored if row["provider"] in owners]


def _of_dates(stored: Sequence[Row], rows: Rows[ExceptionRow]) -> list[Row]:
    """The stored exceptions of these dates; a yearly one also counts if it was given for another year."""
    dates = {(one.row.provider, one.row.date) for one in rows}
    days = {(one.row.provider, one.row.date.month, one.row.date.day) for one in rows if one.row.yearly}
    return [
        row
        for row in stored
        if (row["provider"], row["date"]) in dates
        or (row["yearly"] and (row["provider"], row["date"].month, row["date"].day) in days)
    ]
