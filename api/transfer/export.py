"""A business as the document that an import takes, or one section of it as CSV.

Everything but the customers is read in one snapshot before the answer begins. Customers may be many: they follow
page by page, so that a slow reader holds no connection.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.businesses.policies import stored_form
from api.transfer import preview
from api.transfer.csv_text import written
from api.transfer.preview import Shown
from api.transfer.shapes import COLUMNS, VERSION, Section
from db.engine import autocommit
from db.repositories import services, transfer, transfer_customers
from db.repositories.rows import Row, execute
from domain.policies import Policy
from runtime.json import to_json

_PAGE: Final = 1000
_AT_ONE_MOMENT: Final = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
_SETTINGS: Final = ("name", "timezone", "currency", "locale", "guest_bookings")

Sections = Mapping[Section, Sequence[Shown]]
"""Rows by section, without those of customers."""


async def read_sections(
    engine: AsyncEngine, business_id: UUID, sections: Sequence[Section], now: datetime
) -> Sections:
    """The rows of these sections at one moment; of time off, what is not over."""
    async with engine.begin() as conn:
        await execute(conn, _AT_ONE_MOMENT, {})
        return {
            section: [_SHOW[section](row) for row in await _stored(conn, business_id, section, now)]
            for section in sections
            if section is not Section.CUSTOMERS
        }


async def json_document(
    engine: AsyncEngine, business: Row, sections: Sections, *, with_customers: bool
) -> AsyncIterator[bytes]:
    """The whole document, with the customers at its end if they are wanted."""
    rows = {str(section): shown for section, shown in sections.items()}
    head = to_json({"version": VERSION, "business": _settings(business), **rows})
    if not with_customers:
        yield head
        return
    yield head.removesuffix(b"}") + b',"customers":['
    between = b""
    async for page in _customer_pages(engine, business["id"]):
        yield between + to_json(page).removeprefix(b"[").removesuffix(b"]")
        between = b","
    yield b"]}"


async def csv_text(
    engine: AsyncEngine, business_id: UUID, section: Section, sections: Sections
) -> AsyncIterator[str]:
    """One section as CSV."""
    columns = COLUMNS[section]
    yield written(columns, map(preview.flat, sections.get(section, [])), head=True)
    if section is Section.CUSTOMERS:
        async for page in _customer_pages(engine, business_id):
            yield written(columns, page, head=False)


def _settings(business: Row) -> Shown:
    policy = stored_form(Policy.model_validate_json(business["policy"]))
    return {name: business[name] for name in _SETTINGS} | {"policy": policy}


async def _stored(conn: AsyncConnection, business_id: UUID, section: Section, now: datetime) -> Sequence[Row]:
    if section is Section.SERVICES:
        return await services.list_all(conn, business_id, inactive=True)
    if section is Section.TIME_OFF:
        return await transfer.list_time_off(conn, business_id, since=now)
    return await _LIST[section](conn, business_id)


_LIST: Final[Mapping[Section, Callable[[AsyncConnection, UUID], Awaitable[Sequence[Row]]]]] = {
    Section.PROVIDERS: transfer.list_providers,
    Section.HOURS: transfer.list_hours,
    Section.EXCEPTIONS: transfer.list_exceptions,
    Section.AREAS: transfer.list_areas,
}
_SHOW: Final[Mapping[Section, Callable[[Row], Shown]]] = {
    Section.SERVICES: preview.service,
    Section.PROVIDERS: preview.provider,
    Section.HOURS: preview.hours,
    Section.EXCEPTIONS: preview.exception,
    Section.TIME_OFF: preview.time_off,
    Section.AREAS: preview.area,
}


async def _customer_pages(engine: AsyncEngine, business_id: UUID) -> AsyncIterator[list[Shown]]:
    """All customers by pages, the oldest first; no page is empty."""
    after: UUID | None = None
    while page := await _customer_page(engine, business_id, after):
        after = page[-1][0]
        yield [shown for _, shown in page]


async def _customer_page(engine: AsyncEngine, business_id: UUID, after: UUID | None) -> list[tuple[UUID, Shown]]:
    async with autocommit(engine) as conn:
        people = await transfer_customers.list_page(conn, business_id, after=after, limit=_PAGE)
        said = await transfer_customers.list_consents(conn, business_id, [person["id"] for person in people])
    consents: defaultdict[UUID, list[Row]] = defaultdict(list)
    for consent in said:
        consents[consent["customer_id"]].append(consent)
    return [(person["id"], preview.customer(person, consents[person["id"]])) for person in people]
