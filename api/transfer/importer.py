"""Storing an import, all of it or nothing, in the caller's transaction.

The business's row is locked first, to freeze its schedule, and the customers last, so that bookings by contact
wait as short as possible. Unchanged rows are not written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
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
from api.writes import Writer
from db.repositories import businesses, customers, transfer
from db.repositories.rows import Row
from db.repositories.transfer import Columns, Upserted
from runtime.json import to_json_text

_BUSINESS: Final = "business"
_CALENDARS: Final = (Section.HOURS, Section.EXCEPTIONS, Section.TIME_OFF, Section.AREAS)


@dataclass(frozen=True, slots=True)
class Stored:
    """What an import has stored."""

    counts: dict[str, Tally]
    """By section, and `business`: how many rows did what."""
    services: Upserted
    providers: Upserted

    def announce(self, write: Writer, business_id: UUID) -> None:
        """Write an event for each thing that was made or changed; one for all calendars together."""
        if self._has_changed(_BUSINESS):
            write.announce("business.business.changed", business_id)
        for service_id in self.services.created:
            write.announce("business.service.created", service_id, serviceId=service_id)
        for service_id in self.services.updated:
            write.announce("business.service.changed", service_id, serviceId=service_id)
        for provider_id in self.providers.created:
            write.announce("business.provider.created", provider_id, providerId=provider_id)
        for provider_id in self.providers.updated:
            write.announce("business.provider.changed", provider_id, providerId=provider_id)
        if any(self._has_changed(section) for section in _CALENDARS):
            write.announce("business.availability.imported", business_id)

    def _has_changed(self, section: str) -> bool:
        tally = self.counts.get(section, Tally())
        return tally.created + tally.updated + tally.removed > 0


async def store_import(conn: AsyncConnection, business_id: UUID, plan: Plan, problems: Problems) -> Stored:
    """Store everything that was sent.

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
        tallies[_BUSINESS] = await _store_business(conn, stored, plan.business)
    services = await transfer.upsert_services(conn, business_id, [_service(one.row) for one in plan.services])
    tallies[Section.SERVICES] = _tally(services, len(plan.services))
    wanted = [one.row.model_dump() for one in plan.providers]
    providers = await transfer.upsert_providers(conn, business_id, wanted)
    tallies[Section.PROVIDERS] = _tally(providers, len(plan.providers))
    known = await transfer.lock_providers(conn, business_id)
    tallies |= await calendars.store(conn, business_id, plan, known)
    tallies[Section.CUSTOMERS] = await store_customers(conn, business_id, [one.row for one in plan.customers])
    sent = {name: tally for name, tally in tallies.items() if name == _BUSINESS or name in plan.sent}
    return Stored(sent, services, providers)


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


def _tally(written: Upserted, rows: int) -> Tally:
    created, updated = len(written.created), len(written.updated)
    return Tally(created=created, updated=updated, unchanged=rows - created - updated)
