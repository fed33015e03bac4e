"""Bulk reading and writing of a business's customers and their consents.

An import calls `customers.lock_all` first, so that nobody else matches or creates customers meanwhile.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, execute, rows
from db.repositories.transfer import chunks
from runtime.json import to_json_text

_FIND = """
SELECT id, name, email, phone, sms_opt_in, user_id IS NOT NULL AS has_account, created_at FROM customers
WHERE business_id = :business_id AND {condition}
FOR NO KEY UPDATE
"""
_BY = {
    by: text(_FIND.format(condition=condition))
    for by, condition in {
        "email": "email = ANY(CAST(:values AS text[]))",
        "phone": "phone = ANY(CAST(:values AS text[]))",
        "name": "name = ANY(CAST(:values AS text[])) AND email IS NULL AND phone IS NULL",
    }.items()
}

_ADD = text("""
INSERT INTO customers (id, business_id, name, email, phone)
SELECT id, CAST(:business_id AS uuid), name, email, phone
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id uuid, name text, email text, phone text)
""")
_FILL = text("""
UPDATE customers c SET
    email = CASE WHEN c.user_id IS NULL THEN coalesce(c.email, r.email) ELSE c.email END,
    phone = coalesce(c.phone, r.phone)
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id uuid, email text, phone text)
WHERE c.business_id = :business_id AND c.id = r.id
""")

# As in `consents`: without a time, a repetition of the latest adds nothing; with one, a repetition of that moment.
_ADD_CONSENTS = text("""
INSERT INTO consents (id, business_id, customer_id, purpose, granted, source, text, given_at)
SELECT r.id, CAST(:business_id AS uuid), r.customer_id, r.purpose, r.granted, r.source, r.text,
       coalesce(r.given_at, clock_timestamp())
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(
    id uuid, customer_id uuid, purpose text, granted boolean, source text, text text, given_at timestamptz,
    only_first boolean
)
WHERE NOT EXISTS (
    SELECT FROM consents c
    WHERE c.business_id = :business_id AND c.customer_id = r.customer_id AND c.purpose = r.purpose
      AND (r.only_first
           OR c.granted = r.granted AND c.source = r.source AND c.text = r.text
              AND (c.given_at = r.given_at
                   OR r.given_at IS NULL AND NOT EXISTS (
                       SELECT FROM consents later
                       WHERE later.customer_id = c.customer_id AND later.purpose = c.purpose
                         AND (later.given_at, later.id) > (c.given_at, c.id))))
)
RETURNING customer_id
""")
_SET_SMS = text("""
UPDATE customers c SET sms_opt_in = latest.granted
FROM (
    SELECT DISTINCT ON (customer_id) customer_id, granted FROM consents
    WHERE business_id = :business_id AND purpose = 'sms' AND customer_id = ANY(CAST(:ids AS uuid[]))
    ORDER BY customer_id, given_at DESC, id DESC
) AS latest
WHERE c.business_id = :business_id AND c.id = latest.customer_id AND c.sms_opt_in <> latest.granted
""")

_PAGE = text("""
SELECT id, name, email, phone, sms_opt_in FROM customers
WHERE business_id = :business_id AND id > :after
ORDER BY id LIMIT :limit
""")
_CURRENT = text("""
SELECT DISTINCT ON (customer_id, purpose) customer_id, purpose, granted, source, text, given_at FROM consents
WHERE business_id = :business_id AND customer_id = ANY(CAST(:ids AS uuid[]))
ORDER BY customer_id, purpose, given_at DESC, id DESC
""")

_BEFORE_ALL = UUID(int=0)


async def lock_by_contact(
    conn: AsyncConnection,
    business_id: UUID,
    *,
    emails: Sequence[str],
    phones: Sequence[str],
    names: Sequence[str],
) -> list[Row]:
    """Customers with one of the e-mails or phones, or with neither and one of the names, oldest first.

    They are locked until the transaction ends.
    """
    found: dict[UUID, Row] = {}
    for by, values in {"email": emails, "phone": phones, "name": names}.items():
        for part in chunks(values):
            for row in await rows(conn, _BY[by], {"business_id": business_id, "values": part}):
                found[row["id"]] = row
    return sorted(found.values(), key=lambda row: (row["created_at"], row["id"]))


async def add(conn: AsyncConnection, business_id: UUID, customers: Sequence[Mapping[str, Any]]) -> None:
    """Add customers with `id`, `name`, `email` and `phone`."""
    for part in chunks(customers):
        await execute(conn, _ADD, {"business_id": business_id, "rows": to_json_text(part)})


async def fill_in(conn: AsyncConnection, business_id: UUID, contacts: Sequence[Mapping[str, Any]]) -> None:
    """Fill in missing `email` and `phone` of customers by `id`; an account keeps its own e-mail."""
    for part in chunks(contacts):
        await execute(conn, _FILL, {"business_id": business_id, "rows": to_json_text(part)})


async def record_consents(
    conn: AsyncConnection, business_id: UUID, given: Sequence[Mapping[str, Any]]
) -> set[UUID]:
    """Record new consents and update `sms_opt_in`; returns the customers with a new one.

    `only_first` is recorded only if the purpose has none yet; without `given_at` it is given now.
    """
    whose: set[UUID] = set()
    for part in chunks(given):
        parameters = {"business_id": business_id, "rows": to_json_text(part)}
        whose |= {row["customer_id"] for row in await rows(conn, _ADD_CONSENTS, parameters)}
    for ids in chunks(list(whose)):
        await execute(conn, _SET_SMS, {"business_id": business_id, "ids": ids})
    return whose


async def list_page(
    conn: AsyncConnection, business_id: UUID, *, after: UUID | None = None, limit: int
) -> Sequence[Row]:
    """Customers, oldest first, after the one with the id `after`."""
    parameters = {"business_id": business_id, "after": after or _BEFORE_ALL, "limit": limit}
    return await rows(conn, _PAGE, parameters)


async def list_consents(conn: AsyncConnection, business_id: UUID, customer_ids: Sequence[UUID]) -> Sequence[Row]:
    """The latest consent of each of these customers for each purpose."""
    return await rows(conn, _CURRENT, {"business_id": business_id, "ids": customer_ids})
