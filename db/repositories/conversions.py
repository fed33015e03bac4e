"""Bookings to report as conversions, with their customer's current consent."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, row_or_none

_FIND = text("""
SELECT b.id AS booking_id, b.reference, b.created_at AS booked_at, b.price_minor, b.currency, b.attribution,
       s.code AS service,
       c.id AS customer_id, c.name, c.email, c.phone,
       coalesce('analytics' = ANY(said.yes), false) AS may_report,
       coalesce('marketing' = ANY(said.yes), false) AS may_personalise
FROM bookings b
JOIN services s ON s.business_id = b.business_id AND s.id = b.service_id
JOIN customers c ON c.business_id = b.business_id AND c.id = b.customer_id
CROSS JOIN LATERAL (
    SELECT array_agg(purpose) FILTER (WHERE granted) AS yes
    FROM (
        SELECT DISTINCT ON (purpose) purpose, granted FROM consents
        WHERE business_id = b.business_id AND customer_id = c.id AND purpose IN ('analytics', 'marketing')
        ORDER BY purpose, given_at DESC, id DESC
    ) AS latest
) AS said
WHERE b.business_id = :business_id AND b.id = :booking_id
""")


async def find(conn: AsyncConnection, business_id: UUID, booking_id: UUID) -> Row | None:
    """The booking with its customer, and whether their latest consents allow a report."""
    return await row_or_none(conn, _FIND, {"business_id": business_id, "booking_id": booking_id})
