"""The people who book with a business."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import row
from runtime.ids import new_id


@dataclass(frozen=True, slots=True)
class Contact:
    """Who a booking is for. `email` in lower case, `phone` in E.164."""

    name: str
    email: str | None
    phone: str | None
    sms_opt_in: bool = False


# The no-op update makes the row that was there before come back; names and numbers are not overwritten by
# whoever happens to know an e-mail address.
_BY_EMAIL = text("""
INSERT INTO customers (id, business_id, name, email, phone, sms_opt_in)
VALUES (:id, :business_id, :name, CAST(:email AS text), :phone, :sms_opt_in)
ON CONFLICT (business_id, email) DO UPDATE SET email = excluded.email
RETURNING id
""")

# The account's own address stays with the account; what is given with a booking fills in the rest.
_FOR_USER = text("""
INSERT INTO customers (id, business_id, user_id, name, phone, sms_opt_in)
SELECT :id, :business_id, u.id, coalesce(CAST(:name AS text), u.name), CAST(:phone AS text),
       coalesce(CAST(:sms_opt_in AS boolean), false)
FROM users u WHERE u.id = :user_id
ON CONFLICT (business_id, user_id) DO UPDATE SET
    name = coalesce(CAST(:name AS text), customers.name),
    phone = coalesce(CAST(:phone AS text), customers.phone),
    sms_opt_in = coalesce(CAST(:sms_opt_in AS boolean), customers.sms_opt_in)
RETURNING id
""")


async def of_user(conn: AsyncConnection, business_id: UUID, user_id: UUID, contact: Contact | None) -> UUID:
    """The customer that a user is with this business: made at the first booking, brought up to date by others."""
    parameters = {
        "id": new_id(),
        "business_id": business_id,
        "user_id": user_id,
        "name": contact.name if contact else None,
        "phone": contact.phone if contact else None,
        "sms_opt_in": contact.sms_opt_in if contact else None,
    }
    return UUID(str((await row(conn, _FOR_USER, parameters))["id"]))


async def by_contact(conn: AsyncConnection, business_id: UUID, contact: Contact) -> UUID:
    """The customer with this e-mail address, made where there is none; without an address always a new one."""
    parameters = {
        "id": new_id(),
        "business_id": business_id,
        "name": contact.name,
        "email": contact.email,
        "phone": contact.phone,
        "sms_opt_in": contact.sms_opt_in,
    }
    return UUID(str((await row(conn, _BY_EMAIL, parameters))["id"]))
