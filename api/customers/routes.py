"""`/v1/businesses/{business}/customers`: the people who book, for the desk."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api import caching
from api.access import needs
from api.businesses.answers import changed, created
from api.customers.desk import ManagesCustomers, ReadsCustomers
from api.customers.schemas import (
    CustomerChange,
    CustomerIn,
    CustomerOut,
    CustomerPage,
    Customers,
    CustomerSearch,
)
from api.deps import AppParts
from db.engine import autocommit
from db.repositories import consents, customers
from db.repositories.consents import Consent
from db.repositories.customers import Contact
from db.repositories.rows import Row
from domain.access import Permission
from domain.customers import Purpose
from domain.errors import AlreadyExistsError, NotFoundError
from runtime.json import to_json

router = APIRouter(prefix="/v1/businesses/{business}/customers", tags=["customers"])

_MOST_FOUND = 100


@router.post(
    "",
    operation_id="createCustomer",
    dependencies=[needs(Permission.MANAGE_CUSTOMERS)],
    status_code=201,
    response_model=CustomerOut,
)
async def create(business_id: ManagesCustomers, body: CustomerIn, parts: AppParts) -> Response:
    """Add a customer, or find them again by e-mail or phone: then the answer is 200.

    Of somebody who is found, what is missing is filled in and nothing is overwritten. With an e-mail or a
    phone the same request again finds whom it made, so no Idempotency-Key is needed; a name alone is nobody's.
    """
    async with parts.engine.begin() as conn:
        met = await customers.meet(conn, business_id, Contact(body.name, body.email, body.phone))
        await _note_consents(conn, business_id, met.id, body)
        content = _shown(await _found(conn, business_id, met.id))
    if not met.is_new:
        return changed(content)
    return created(content, f"/v1/businesses/{business_id}/customers/{met.id}")


@router.get(
    "", operation_id="listCustomers", dependencies=[needs(Permission.READ_CUSTOMERS)], response_model=CustomerPage
)
async def list_customers(
    business_id: ReadsCustomers,
    parts: AppParts,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[UUID | None, Query(description="`next_cursor` of the page before.")] = None,
) -> Response:
    """All customers, the newest first."""
    async with autocommit(parts.engine) as conn:
        rows = await customers.list_page(conn, business_id, limit=limit + 1, after=cursor)
    more = rows[limit - 1]["id"] if len(rows) > limit else None
    return _json({"items": [_shown(row) for row in rows[:limit]], "next_cursor": more})


@router.post(
    "/search",
    operation_id="searchCustomers",
    dependencies=[needs(Permission.READ_CUSTOMERS)],
    response_model=Customers,
)
async def search(business_id: ReadsCustomers, body: CustomerSearch, parts: AppParts) -> Response:
    """The customers with this e-mail, or the first hundred with this phone, the oldest first."""
    async with autocommit(parts.engine) as conn:
        rows = await customers.search(conn, business_id, email=body.email, phone=body.phone, limit=_MOST_FOUND)
    return _json({"items": [_shown(row) for row in rows]})


@router.get(
    "/{customer_id}",
    operation_id="getCustomer",
    dependencies=[needs(Permission.READ_CUSTOMERS)],
    response_model=CustomerOut,
)
async def get(business_id: ReadsCustomers, customer_id: UUID, request: Request, parts: AppParts) -> Response:
    """One customer."""
    async with autocommit(parts.engine) as conn:
        row = await _found(conn, business_id, customer_id)
    return caching.cached(request, _shown(row), caching.PRIVATE)


@router.patch(
    "/{customer_id}",
    operation_id="changeCustomer",
    dependencies=[needs(Permission.MANAGE_CUSTOMERS)],
    response_model=CustomerOut,
)
async def change(
    business_id: ManagesCustomers, customer_id: UUID, body: CustomerChange, request: Request, parts: AppParts
) -> Response:
    """Change what is sent. An e-mail that another customer has is refused: 409 `already_exists`."""
    async with parts.engine.begin() as conn:
        stored = await customers.find_to_change(conn, business_id, customer_id, email=body.email, phone=body.phone)
        if stored is None:
            raise _missing()
        caching.require_match(request, _shown(stored))
        wanted = {name: stored[name] for name in CustomerChange.model_fields} | body.model_dump(exclude_unset=True)
        row = await customers.change(conn, business_id, customer_id, **wanted)
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


def _json(content: Any) -> Response:
    return Response(to_json(content), media_type="application/json")
