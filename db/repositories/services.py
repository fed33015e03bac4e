"""Services as a business offers, changes and withdraws them."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.catalogue import as_uuid
from db.repositories.rows import Row, row, row_or_none
from domain.errors import AlreadyExistsError

_FIND: Final = """
SELECT id, code, name, description, duration_minutes, buffer_before_minutes, buffer_after_minutes, price_minor,
       currency, capacity, slot_step_minutes, min_notice_minutes, horizon_days, daily_limit, required_skills,
       payment_mode, payment_at, deposit_minor, active
FROM services
WHERE business_id = :business_id AND (id = CAST(:id AS uuid) OR code = CAST(:code AS text))
"""
_READ = text(_FIND)
# Not FOR UPDATE: new bookings refer to the row, and need not wait for whoever changes it.
_LOCK = text(_FIND + "FOR NO KEY UPDATE")

_CREATE = text("""
INSERT INTO services (
    id, business_id, code, name, description, duration_minutes, buffer_before_minutes, buffer_after_minutes,
    price_minor, currency, capacity, slot_step_minutes, min_notice_minutes, horizon_days, daily_limit,
    required_skills, payment_mode, payment_at, deposit_minor, active
)
VALUES (
    :id, :business_id, :code, :name, :description, :duration_minutes, :buffer_before_minutes,
    :buffer_after_minutes, :price_minor, :currency, :capacity, :slot_step_minutes, :min_notice_minutes,
    :horizon_days, :daily_limit, :required_skills, :payment_mode, :payment_at, :deposit_minor, :active
)
ON CONFLICT (business_id, code) DO NOTHING
RETURNING *
""")

_UPDATE = text("""
UPDATE services SET code = :code, name = :name, description = :description, duration_minutes = :duration_minutes,
    buffer_before_minutes = :buffer_before_minutes, buffer_after_minutes = :buffer_after_minutes,
    price_minor = :price_minor, currency = :currency, capacity = :capacity,
    slot_step_minutes = :slot_step_minutes, min_notice_minutes = :min_notice_minutes,
    horizon_days = :horizon_days, daily_limit = :daily_limit, required_skills = :required_skills,
    payment_mode = :payment_mode, payment_at = :payment_at, deposit_minor = :deposit_minor, active = :active
WHERE business_id = :business_id AND id = :id
RETURNING *
""")


async def find(conn: AsyncConnection, business_id: UUID, id_or_code: str) -> Row | None:
    """A service by its id or code, also one that is not active."""
    return await row_or_none(conn, _READ, _named(business_id, id_or_code))


async def lock(conn: AsyncConnection, business_id: UUID, id_or_code: str) -> Row | None:
    """The same, not to be changed by others until this transaction ends."""
    return await row_or_none(conn, _LOCK, _named(business_id, id_or_code))


async def create(
    conn: AsyncConnection, business_id: UUID, service_id: UUID, values: Mapping[str, Any]
) -> Row | None:
    """A new service; none when its code is taken, also by one that was made just now."""
    return await row_or_none(conn, _CREATE, {"id": service_id, "business_id": business_id, **values})


async def update(conn: AsyncConnection, business_id: UUID, values: Mapping[str, Any]) -> Row:
    """Write every column of a row that was locked before; gives the row as it is now.

    Raises:
        AlreadyExistsError: another service of the business has the code. The transaction cannot go on.
    """
    try:
        return await row(conn, _UPDATE, {"business_id": business_id, **values})
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExistsError(f"There is a service '{values['code']}' already.") from error


def _named(business_id: UUID, id_or_code: str) -> dict[str, Any]:
    key = as_uuid(id_or_code)
    return {"business_id": business_id, "id": key, "code": None if key else id_or_code}
