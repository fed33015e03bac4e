"""`/v1/businesses/{business}/customers`: the people who book, for owners and admins."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from api import caching, cursors
from api.access import BusinessDep, needs
from api.answers import changed, created, listed
from api.caching import RequiredIfMatchDep
from api.consents import ConsentIn
from api.deliverability import require_carried
from api.deps import AppStateDep
from api.shapes import Email, Flag, In, Language, Line, Phone, Zone
from api.writes import OnceWriterDep, WriterDep
from db.engine import autocommit
from db.repositories import consents, customers
from db.repositories.consents import Consent
from db.repositories.customers import Contact
from db.repositories.rows import Row
from domain.access import Permission
from domain.customers import Purpose
from domain.errors import AlreadyExistsError, NotFoundError

router = APIRouter(prefix="/v1/businesses/{business}/customers", tags=["customers"])

_MOST_FOUND = 100
_MOST_AT_ONCE = 20


class CustomerIn(In):
    """Somebody who books. They are found again by e-mail or phone and made where they are new."""

    name: Line
    email: Email | None = None
    phone: Phone | None = None
    sms_opt_in: Flag = False
    consents: Annotated[list[ConsentIn], Field(max_length=_MOST_AT_ONCE, default_factory=list)]


class CustomerChange(In):
    """What is sent is changed; everything but the name may be null."""

    name: Line = ""
    email: Email | None = None
    phone: Phone | None = None
    locale: Language | None = None
    """The language to write to them in (BCP 47); null: the business's."""
    timezone: Zone | None = None
    """Where they live by the clock (IANA); null: as the booking has it."""


class CustomerSearch(In):
    """One of the two. A body, because addresses in a URL end up in logs."""

    email: Email | None = None
    phone: Phone | None = None

    @model_validator(mode="after")
    def _require_exactly_one(self) -> Self:
        if (self.email is None) == (self.phone is None):
            raise ValueError("give either email or phone")
        return self


class CustomerOut(BaseModel):
    id: UUID
    name: str
    email: str | None
    phone: str | None
    locale: str | None
    timezone: str | None
    sms_opt_in: bool
    has_account: bool
    """They log in and book for themselves; the account has an address of its own."""
    created_at: datetime


class Customers(BaseModel):
    items: list[CustomerOut]


class CustomerPage(Customers):
    next_cursor: str | None


@router.post(
    "",
    operation_id="createCustomer",
    dependencies=[needs(Permission.MANAGE_CUSTOMERS)],
    status_code=201,
    response_model=CustomerOut,
)
async def create(business: BusinessDep, body: CustomerIn, app: AppStateDep, write: OnceWriterDep) -> Response:
    """Add a customer, or find them again by e-mail or phone: then the answer is 200.

    Of somebody who is found, what is missing is filled in and nothing is overwritten. A name alone is nobody's:
    without an Idempotency-Key the same request again adds another customer.
    """

    async def make(conn: AsyncConnection) -> Response:
        await require_carried(conn, app.settings, business["id"], body.email)
        matched = await customers.match_or_create(conn, business["id"], Contact(body.name, body.email, body.phone))
        write.set_object_id(matched.id)
        await _note_consents(conn, business["id"], matched.id, body)
        content = _shown(await _found(conn, business["id"], matched.id))
        if not matched.is_new:
            return changed(content)
        return created(content, f"/v1/businesses/{business['id']}/customers/{matched.id}")

    return await write.once(body, make)


@router.get(
    "", operation_id="listCustomers", dependencies=[needs(Permission.READ_CUSTOMERS)], response_model=CustomerPage
)
async def list_customers(
    business: BusinessDep,
    app: AppStateDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=cursors.LONGEST)] = None,
) -> Response:
    """All customers, the newest first."""
    listing = f"customers {business['id']}"
    [after] = app.cursors.decode(listing, cursor) if cursor else [None]
    async with autocommit(app.engine) as conn:
        rows = await customers.list_page(conn, business["id"], limit=limit + 1, after=after)
    more = app.cursors.encode(listing, rows[limit - 1]["id"]) if len(rows) > limit else None
    return listed({"items": [_shown(row) for row in rows[:limit]], "next_cursor": more})


@router.post(
    "/search",
    operation_id="searchCustomers",
    dependencies=[needs(Permission.READ_CUSTOMERS, is_audited=False)],
    response_model=Customers,
)
async def search(business: BusinessDep, body: CustomerSearch, app: AppStateDep) -> Response:
    """The customers with this e-mail, or the first hundred with this phone, the oldest first."""
    async with autocommit(app.engine) as conn:
        rows = await customers.search(conn, business["id"], email=body.email, phone=body.phone, limit=_MOST_FOUND)
    return listed({"items": [_shown(row) for row in rows]})


@router.get(
    "/{customer_id}",
    operation_id="getCustomer",
    dependencies=[needs(Permission.READ_CUSTOMERS)],
    response_model=CustomerOut,
)
async def get(business: BusinessDep, customer_id: UUID, request: Request, app: AppStateDep) -> Response:
    """One customer."""
    async with autocommit(app.engine) as conn:
        row = await _found(conn, business["id"], customer_id)
    return caching.cached(request, _shown(row), caching.PRIVATE)


@router.patch(
    "/{customer_id}",
    operation_id="changeCustomer",
    dependencies=[needs(Permission.MANAGE_CUSTOMERS)],
    response_model=CustomerOut,
)
async def change(
    business: BusinessDep,
    customer_id: UUID,
    body: CustomerChange,
    app: AppStateDep,
    expected: RequiredIfMatchDep,
    write: WriterDep,
) -> Response:
    """Change what is sent. An e-mail that another customer has is refused: 409 `already_exists`."""
    async with write.begin() as conn:
        stored = await customers.find_to_change(
            conn, business["id"], customer_id, email=body.email, phone=body.phone
        )
        if stored is None:
            raise _missing()
        expected.check(_shown(stored))
        await require_carried(conn, app.settings, business["id"], body.email)
        wanted = {name: stored[name] for name in CustomerChange.model_fields} | body.model_dump(exclude_unset=True)
        row = await customers.change(conn, business["id"], customer_id, **wanted)
        if row is None:
            raise AlreadyExistsError("Another customer of this business has that e-mail address.")
    return changed(_shown(row))


async def _note_consents(conn: AsyncConnection, business_id: UUID, customer_id: UUID, body: CustomerIn) -> None:
    given = [Consent(c.purpose, c.granted, c.source, c.text) for c in body.consents]
    if body.sms_opt_in and all(consent.purpose is not Purpose.SMS for consent in given):
        given.append(Consent(Purpose.SMS, granted=True, source="api", text=""))
    if given:
        await consents.lock_customer(conn, business_id, customer_id)
    for consent in given:
        await consents.record(conn, business_id, customer_id, consent)


async def _found(conn: AsyncConnection, business_id: UUID, customer_id: UUID) -> Row:
    row = await customers.find(conn, business_id, customer_id)
    if row is None:
        raise _missing()
    return row


def _missing() -> NotFoundError:
    return NotFoundError("There is no such customer.")


def _shown(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in CustomerOut.model_fields}
