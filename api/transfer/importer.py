"""Storing an import, all of it or nothing, in the caller's transaction.

The business's row is locked first, to freeze its schedule, and the customers last, so that bookings by contact
wait as short as possible. Unchanged rows are not written.
"""

from collections.abc import Mapping
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from api.businesses.policies import changed_policy
from api.services import ServiceIn
from api.transfer import calendars
from api.transfer.people import store_customers
from api.transfer.problems import Problems
from api.transfer.sets import check_owners
from api.transfer.shapes import BusinessRow, Section, Tally
from api.transfer.validation import Plan
from db.repositories import businesses, customers, transfer
from db.repositories.rows import Row
from db.repositories.transfer import Columns, UpsertCounts
from runtime.json import to_json_text


async def store_import(
    conn: AsyncConnection, business_id: UUID, plan: Plan, problems: Problems
) -> dict[str, Tally]:
    """Store everything; gives by section how many rows did what.

    Raises:
        ImportInvalidError: there are problems, of before or with providers that are named; nothing is written.
    """
    stored = await businesses.lock(conn, business_id)
    if plan.customers:
        # Before any provider's row, as when a booking is created: in one order nothing deadlocks.
        await customers.lock_all(conn, business_id)
    _check_providers(plan, await transfer.lock_providers(conn, business_id), problems)
    problems.refuse()
    tallies = {}
    if plan.business is not None:
        tallies["business"] = await _store_business(conn, stored, plan.business)
    written = await transfer.upsert_services(conn, business_id, [_service(one.row) for one in plan.services])
    tallies[Section.SERVICES] = _tally(written, len(plan.services))
    written = await transfer.upsert_providers(conn, business_id, [one.row.model_dump() for one in plan.providers])
    tallies[Section.PROVIDERS] = _tally(written, len(plan.providers))
    providers = await transfer.lock_providers(conn, business_id)
    tallies |= await calendars.store(conn, business_id, plan, providers)
    tallies[Section.CUSTOMERS] = await store_customers(conn, business_id, [one.row for one in plan.customers])
    return {name: tally for name, tally in tallies.items() if name == "business" or name in plan.sent}


def _check_providers(plan: Plan, stored: Mapping[str, UUID], problems: Problems) -> None:
    known = stored.keys() | {one.row.code for one in plan.providers if one.row.code is not None}
    check_owners(Section.HOURS, plan.hours, known, problems)
    check_owners(Section.EXCEPTIONS, plan.exceptions, known, problems)
    check_owners(Section.TIME_OFF, plan.time_off, known, problems)
    check_owners(Section.AREAS, plan.areas, known, problems)


async def _store_business(conn: AsyncConnection, stored: Row, sent: BusinessRow) -> Tally:
    policy = orjson.loads(stored["policy"])
    before = {**stored, "policy": policy}
    after = before | sent.model_dump(exclude_unset=True)
    if "policy" in sent.model_fields_set:
        after["policy"] = changed_policy(policy, sent.policy)
    if after == before:
        return Tally(unchanged=1)
    await businesses.update(conn, stored["id"], after | {"policy": to_json_text(after["policy"])})
    return Tally(updated=1)


def _service(row: ServiceIn) -> Columns:
    price = {"price_minor": row.price.amount_minor, "currency": row.price.currency}
    return row.model_dump(exclude={"price"}) | price


def _tally(written: UpsertCounts, rows: int) -> Tally:
    unchanged = rows - written.created - written.updated
    return Tally(created=written.created, updated=written.updated, unchanged=unchanged)
