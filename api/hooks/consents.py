"""Consents that customers give or withdraw at a vendor."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories import consents
from db.repositories.consents import Consent
from domain.customers import Purpose


async def record_consent(
    conn: AsyncConnection,
    business_id: UUID,
    customer_id: UUID,
    purpose: Purpose,
    *,
    granted: bool,
    source: str,
    said: str,
) -> None:
    """Record the consent beside those that the customer gave to the business itself."""
    if await consents.lock_customer(conn, business_id, customer_id):
        consent = Consent(purpose=purpose, granted=granted, source=source, text=said)
        await consents.record(conn, business_id, customer_id, consent)
