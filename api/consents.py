"""`…/customers/{customer}/consents`: what a customer agreed to or withdrew. Entries are never changed."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from api import cursors
from api.access import BusinessDep, needs
from api.answers import changed, created, listed
from api.deps import AppStateDep
from api.shapes import Flag, In, Text
from api.writes import OnceWriterDep
from db.engine import autocommit
from db.repositories import consents, customers
from db.repositories.consents import Consent
from db.repositories.rows import Row
from domain.access import Permission
from domain.customers import Purpose
from domain.errors import InvalidRequestError, NotFoundError
from domain.times import Moment

router = APIRouter(prefix="/v1/businesses/{business}/customers/{customer_id}/consents", tags=["customers"])

ConsentText = Annotated[Text, Field(max_length=4000)]
Source = Annotated[Text, Field(min_length=1, max_length=100)]


class ConsentIn(In):
    """What a customer agreed to (`granted`) or took back, in the words that they saw."""

    purpose: Purpose
    granted: Flag
    text: ConsentText = ""
    source: Source = "api"

    @model_validator(mode="after")
    def _require_text(self) -> Self:
        if self.granted and not self.text:
            raise ValueError("a consent that is granted needs the text that was agreed to")
        return self


class DatedConsentIn(ConsentIn):
    given_at: Moment | None = None
    """When, if not now."""


class ConsentOut(BaseModel):
    id: UUID
    purpose: Purpose
    granted: bool
    source: str
    text: str
    given_at: datetime


class ConsentPage(BaseModel):
    current: dict[Purpose, ConsentOut]
    """The latest of each purpose: what counts."""
    items: list[ConsentOut]
    next_cursor: str | None


@router.post(
    "",
    operation_id="addConsent",
    dependencies=[needs(Permission.MANAGE_CUSTOMERS)],
    status_code=201,
    response_model=ConsentOut,
)
async def add(
    business: BusinessDep, customer_id: UUID, body: DatedConsentIn, app: AppStateDep, write: OnceWriterDep
) -> Response:
    """Note a consent, or that it was taken back; one for `sms` also sets the customer's `sms_opt_in`.

    What is known already is not noted twice: without `given_at` that which only repeats the latest word on the
    purpose, with `given_at` that which was said at this very time. The answer is 200 then.
    """
    if body.given_at is not None and body.given_at > app.now():
        raise InvalidRequestError("given_at lies in the future.")
    consent = Consent(body.purpose, body.granted, body.source, body.text, body.given_at)

    async def make(conn: AsyncConnection) -> Response:
        if not await consents.lock_customer(conn, business["id"], customer_id):
            raise _missing()
        recorded = await consents.record(conn, business["id"], customer_id, consent)
        content = _shown(recorded.row)
        return created(content) if recorded.is_new else changed(content)

    return await write.once(body, make)


@router.get(
    "", operation_id="listConsents", dependencies=[needs(Permission.READ_CUSTOMERS)], response_model=ConsentPage
)
async def list_consents(
    business: BusinessDep,
    customer_id: UUID,
    app: AppStateDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=cursors.LONGEST)] = None,
) -> Response:
    """The consents, the newest first, and which of them count now."""
    listing = f"consents {business['id']} {customer_id}"
    after = app.cursors.decode(listing, cursor) if cursor else None
    async with autocommit(app.engine) as conn:
        if await customers.find(conn, business["id"], customer_id) is None:
            raise _missing()
        rows = await consents.list_page(conn, business["id"], customer_id, limit=limit + 1, after=after)
        current = await consents.list_current(conn, business["id"], customer_id)
    shown = rows[:limit]
    last = (shown[-1]["given_at"], shown[-1]["id"]) if len(rows) > limit else None
    content = {
        "current": {row["purpose"]: _shown(row) for row in current},
        "items": [_shown(row) for row in shown],
        "next_cursor": app.cursors.encode(listing, *last) if last else None,
    }
    return listed(content)


def _missing() -> NotFoundError:
    return NotFoundError("There is no such customer.")


def _shown(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in ConsentOut.model_fields}
