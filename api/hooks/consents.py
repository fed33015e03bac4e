"""What people have told a vendor of whether they want to hear from a business."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories import consents
from db.repositories.consents import Consent
from domain.customers import Purpose


async def note_word(
    conn: AsyncConnection,
    business_id: UUID,
    customer_id: UUID,
    purpose: Purpose,
    *,
    granted: bool,
    source: str,
    said: str,
) -> None:
    """Keep a customer's word, as they gave it to a vendor, beside those that they gave to the business."""
    if await consents.lock_customer(conn, business_id, customer_id):
        consent = Consent(purpose=purpose, granted=granted, source=source, text=said)
        await consents.record(conn, business_id, customer_id, consent)
