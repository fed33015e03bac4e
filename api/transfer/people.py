"""Storing imported customers: matched or created, completed, with their consents."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from api.transfer.matches import each_once, matches
from api.transfer.shapes import CustomerRow, Tally
from db.repositories import transfer_customers
from db.repositories.rows import Row
from domain.customers import Purpose
from runtime.ids import new_id

_OPT_IN: Final = {
    "purpose": Purpose.SMS,
    "granted": True,
    "source": "import",
    "text": "",
    "given_at": None,
    "only_first": True,
}


async def store_customers(conn: AsyncConnection, business_id: UUID, rows: Sequence[CustomerRow]) -> Tally:
    """Store the people of an import, in a transaction that has taken `customers.lock_all`."""
    if not rows:
        return Tally()
    wanted = await asyncio.to_thread(each_once, rows)
    stored = await _candidates(conn, business_id, wanted)
    found = await asyncio.to_thread(matches, wanted, stored)  # slow for thousands of rows
    ids = [new_id() if known is None else known["id"] for known in found]
    people = list(zip(ids, wanted, found, strict=True))
    await transfer_customers.add(
        conn, business_id, [_contact(id_, row) for id_, row, known in people if known is None]
    )
    lacking = [_contact(id_, row) for id_, row, known in people if known is not None and _lacks(known, row)]
    await transfer_customers.fill_in(conn, business_id, lacking)
    given = [consent for id_, row, known in people for consent in _consents(id_, row, known)]
    spoke = await transfer_customers.record_consents(conn, business_id, given)
    created = found.count(None)
    known_ids = {known["id"] for known in found if known is not None}
    updated = len(known_ids & (spoke | {contact["id"] for contact in lacking}))
    return Tally(created=created, updated=updated, unchanged=len(rows) - created - updated)


async def _candidates(conn: AsyncConnection, business_id: UUID, rows: Sequence[CustomerRow]) -> Sequence[Row]:
    return await transfer_customers.lock_by_contact(
        conn,
        business_id,
        emails=[row.email for row in rows if row.email],
        phones=list({row.phone for row in rows if row.phone}),
        names=list({row.name for row in rows if not row.email and not row.phone}),
    )


def _contact(id_: UUID, row: CustomerRow) -> dict[str, Any]:
    return {"id": id_, "name": row.name, "email": row.email, "phone": row.phone}


def _lacks(known: Row, row: CustomerRow) -> bool:
    email = row.email and not known["email"] and not known["has_account"]
    return bool(email or (row.phone and not known["phone"]))


def _consents(id_: UUID, row: CustomerRow, known: Row | None) -> Iterator[dict[str, Any]]:
    """The consents of a row; `sms_opt_in` is one, where it is not known and none of the others is for it."""
    given = [consent.model_dump() for consent in row.consents]
    opted_in = known is not None and known["sms_opt_in"]
    if row.sms_opt_in and not opted_in and all(consent["purpose"] != Purpose.SMS for consent in given):
        given.append(_OPT_IN)
    for consent in given:
        yield {"only_first": False, **consent, "id": new_id(), "customer_id": id_}
