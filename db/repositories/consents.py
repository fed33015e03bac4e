"""Customers' consents and withdrawals: rows are added, never changed, and the latest of a purpose counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, execute, row, row_or_none, rows
from domain.customers import Purpose
from runtime.ids import new_id

_COLUMNS = "id, purpose, granted, source, text, given_at"
_LOCK = text("SELECT id FROM customers WHERE business_id = :business_id AND id = :customer_id FOR NO KEY UPDATE")
# Without a time, a repetition of the latest consent adds nothing; with one, a repetition of that moment's.
_KNOWN = text(f"""
SELECT {_COLUMNS} FROM (
    SELECT * FROM consents
    WHERE business_id = :business_id AND customer_id = :customer_id AND purpose = :purpose
      AND (CAST(:given_at AS timestamptz) IS NULL OR given_at = :given_at)
    ORDER BY given_at DESC, id DESC
    LIMIT CASE WHEN CAST(:given_at AS timestamptz) IS NULL THEN 1 END
) AS said
WHERE granted = :granted AND source = :source AND text = :text
LIMIT 1
""")  # noqa: S608
_ADD = text(f"""
INSERT INTO consents (id, business_id, customer_id, purpose, granted, source, text, given_at)
VALUES (:id, :business_id, :customer_id, :purpose, :granted, :source, :text,
        coalesce(CAST(:given_at AS timestamptz), clock_timestamp()))
RETURNING {_COLUMNS}
""")  # noqa: S608
_SET_SMS = text("""
UPDATE customers SET sms_opt_in = (
    SELECT granted FROM consents
    WHERE business_id = :business_id AND customer_id = :customer_id AND purpose = 'sms'
    ORDER BY given_at DESC, id DESC LIMIT 1)
WHERE business_id = :business_id AND id = :customer_id
""")
_LIST = text(f"""
SELECT {_COLUMNS} FROM consents
WHERE business_id = :business_id AND customer_id = :customer_id
  AND (CAST(:after_at AS timestamptz) IS NULL OR (given_at, id) < (:after_at, CAST(:after_id AS uuid)))
ORDER BY given_at DESC, id DESC LIMIT :limit
""")  # noqa: S608
_CURRENT = text(f"""
SELECT DISTINCT ON (purpose) {_COLUMNS} FROM consents
WHERE business_id = :business_id AND customer_id = :customer_id
ORDER BY purpose, given_at DESC, id DESC
""")  # noqa: S608


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent or withdrawal; without `given_at` it is given now."""

    purpose: Purpose
    granted: bool
    source: str
    text: str
    given_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RecordedConsent:
    """The stored consent, and whether it is new."""

    row: Row
    is_new: bool


async def lock_customer(conn: AsyncConnection, business_id: UUID, customer_id: UUID) -> bool:
    """Lock the customer's consents until the transaction ends; False if there is no such customer."""
    parameters = {"business_id": business_id, "customer_id": customer_id}
    return await row_or_none(conn, _LOCK, parameters) is not None


async def record(conn: AsyncConnection, business_id: UUID, customer_id: UUID, consent: Consent) -> RecordedConsent:
    """Record a consent of a locked customer, unless it is recorded already."""
    whose = {"business_id": business_id, "customer_id": customer_id}
    parameters: dict[str, Any] = whose | {
        "purpose": consent.purpose,
        "granted": consent.granted,
        "source": consent.source,
        "text": consent.text,
        "given_at": consent.given_at,
    }
    known = await row_or_none(conn, _KNOWN, parameters)
    if known is not None:
        return RecordedConsent(known, is_new=False)
    added = await row(conn, _ADD, parameters | {"id": new_id()})
    if consent.purpose is Purpose.SMS:
        await execute(conn, _SET_SMS, whose)
    return RecordedConsent(added, is_new=True)


async def list_page(
    conn: AsyncConnection,
    business_id: UUID,
    customer_id: UUID,
    *,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
) -> Sequence[Row]:
    """A customer's consents, newest first, after the one with this moment and id."""
    after_at, after_id = after or (None, None)
    parameters = {
        "business_id": business_id,
        "customer_id": customer_id,
        "after_at": after_at,
        "after_id": after_id,
        "limit": limit,
    }
    return await rows(conn, _LIST, parameters)


async def list_current(conn: AsyncConnection, business_id: UUID, customer_id: UUID) -> Sequence[Row]:
    """The latest consent of each purpose."""
    return await rows(conn, _CURRENT, {"business_id": business_id, "customer_id": customer_id})
