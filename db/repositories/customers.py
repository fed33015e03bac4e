"""The customers of a business, and how a contact is matched to one.

A contact is matched so that one person stays one customer:

- by e-mail, in lower case, if there is one;
- if nobody has that e-mail, by phone, but only a customer without an e-mail: people who share a phone and have
  different e-mails stay two customers;
- without an e-mail, by phone: the customer who has had it longest;
- with neither, a new customer is created.

Stored data is never overwritten by somebody who merely knows an address; missing data is filled in. Customers with
an account are not matched by phone: anybody can enter a number, and bookings for it would land in that account.

A stranger, who has proved nothing, changes nobody: nothing is filled in, and customers with an account are not
matched at all, so that nobody can put bookings into their account. If the e-mail is such a customer's, the new
customer is created without it.

Whatever was entered and differs from the record is stored with the booking (`domain.customers.booking_contact`).

Before the search, the contact's e-mail and phone are locked until the transaction ends: the same new person given
twenty times at once is created once. An import, with thousands of contacts, locks all of them with one lock that
everybody else shares.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, execute, row, row_or_none, rows
from domain.customers import CONSENT, booking_contact
from runtime.ids import new_id


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom a booking is for. `email` in lower case, `phone` in E.164."""

    name: str
    email: str | None
    phone: str | None
    sms_opt_in: bool = False
    locale: str | None = None
    """BCP 47."""
    timezone: str | None = None
    """IANA."""
    sms_consent: str = ""
    """The words that were agreed to."""


@dataclass(frozen=True, slots=True)
class MatchedCustomer:
    """The customer who was matched to a contact, or created for it."""

    id: UUID
    is_new: bool
    contact: dict[str, Any] | None = field(default=None, repr=False)
    """The entered data that differs from the record."""


# Ordered, so that two transactions with the same contacts do not deadlock.
_LOCK = text("""
WITH shared AS MATERIALIZED (
    SELECT pg_advisory_xact_lock_shared(hashtextextended(CAST(:business_id AS text) || ' customers', 0))
)
SELECT pg_advisory_xact_lock(key) FROM shared, (
    SELECT DISTINCT hashtextextended(CAST(:business_id AS text) || ' ' || contact, 0) AS key
    FROM unnest(CAST(:contacts AS text[])) AS contact
    ORDER BY key
) AS keys
""")
_LOCK_ALL = text("SELECT pg_advisory_xact_lock(hashtextextended(CAST(:business_id AS text) || ' customers', 0))")
_MATCH_OR_CREATE = text("""
WITH found AS (
    SELECT id, name, email, phone, locale, timezone, sms_opt_in FROM customers
    WHERE business_id = :business_id
      AND (email = CAST(:email AS text)
           OR phone = CAST(:phone AS text) AND user_id IS NULL
              AND (email IS NULL OR CAST(:email AS text) IS NULL))
    ORDER BY email = CAST(:email AS text) DESC NULLS LAST, created_at, id
    LIMIT 1
), filled AS (
    UPDATE customers SET
        email = coalesce(email, CAST(:email AS text)), phone = coalesce(phone, CAST(:phone AS text)),
        locale = coalesce(locale, CAST(:locale AS text)), timezone = coalesce(timezone, CAST(:timezone AS text))
    WHERE id = (SELECT id FROM found)
      AND (phone IS NULL AND CAST(:phone AS text) IS NOT NULL
           OR locale IS NULL AND CAST(:locale AS text) IS NOT NULL
           OR timezone IS NULL AND CAST(:timezone AS text) IS NOT NULL
           OR email IS NULL AND user_id IS NULL AND CAST(:email AS text) IS NOT NULL)
    RETURNING id, name, email, phone, locale, timezone, sms_opt_in
), made AS (
    INSERT INTO customers (id, business_id, name, email, phone, locale, timezone)
    SELECT :id, :business_id, :name, CAST(:email AS text), CAST(:phone AS text), CAST(:locale AS text),
           CAST(:timezone AS text)
    WHERE NOT EXISTS (SELECT FROM found)
    RETURNING id, name, email, phone, locale, timezone, sms_opt_in
)
SELECT *, false AS is_new FROM filled
UNION ALL SELECT *, false FROM found WHERE NOT EXISTS (SELECT FROM filled)
UNION ALL SELECT *, true FROM made
""")

_MATCH_OR_CREATE_STRANGER = text("""
WITH found AS (
    SELECT id, name, email, phone, locale, timezone, sms_opt_in FROM customers
    WHERE business_id = :business_id AND user_id IS NULL
      AND (email = CAST(:email AS text)
           OR phone = CAST(:phone AS text) AND (email IS NULL OR CAST(:email AS text) IS NULL))
    ORDER BY email = CAST(:email AS text) DESC NULLS LAST, created_at, id
    LIMIT 1
), made AS (
    INSERT INTO customers (id, business_id, name, email, phone, locale, timezone)
    SELECT :id, :business_id, :name,
           CASE WHEN NOT EXISTS (SELECT FROM customers
                                 WHERE business_id = :business_id AND email = CAST(:email AS text))
                THEN CAST(:email AS text) END,
           CAST(:phone AS text), CAST(:locale AS text), CAST(:timezone AS text)
    WHERE NOT EXISTS (SELECT FROM found)
    RETURNING id, name, email, phone, locale, timezone, sms_opt_in
)
SELECT *, false AS is_new FROM found UNION ALL SELECT *, true FROM made
""")

# The account keeps its own e-mail; a booking's contact updates the rest.
_FOR_USER = text("""
INSERT INTO customers (id, business_id, user_id, name, phone, locale, timezone)
SELECT :id, :business_id, u.id, coalesce(CAST(:name AS text), u.name), CAST(:phone AS text),
       CAST(:locale AS text), CAST(:timezone AS text)
FROM users u WHERE u.id = :user_id
ON CONFLICT (business_id, user_id) DO UPDATE SET
    name = coalesce(CAST(:name AS text), customers.name),
    phone = coalesce(CAST(:phone AS text), customers.phone),
    locale = coalesce(CAST(:locale AS text), customers.locale),
    timezone = coalesce(CAST(:timezone AS text), customers.timezone)
RETURNING id, name, coalesce(email, (SELECT u.email FROM users u WHERE u.id = :user_id)) AS email, phone, locale,
          timezone, sms_opt_in
""")

_OPT_IN = text("""
WITH turned AS (
    UPDATE customers SET sms_opt_in = true
    WHERE business_id = :business_id AND id = :customer_id AND NOT sms_opt_in
    RETURNING id
)
INSERT INTO consents (id, business_id, customer_id, purpose, granted, source, text, given_at)
SELECT :id, :business_id, turned.id, 'sms', true, 'booking', :words, clock_timestamp() FROM turned
""")


async def of_user(
    conn: AsyncConnection, business_id: UUID, user_id: UUID, contact: Contact | None
) -> MatchedCustomer:
    """A user's customer record with this business: created at the first booking, updated by later ones."""
    parameters = {
        "id": new_id(),
        "business_id": business_id,
        "user_id": user_id,
        "name": contact.name if contact else None,
        "phone": contact.phone if contact else None,
        "locale": contact.locale if contact else None,
        "timezone": contact.timezone if contact else None,
    }
    found = await row(conn, _FOR_USER, parameters)
    matched = MatchedCustomer(UUID(str(found["id"])), is_new=False, contact=_kept_with_booking(contact, found))
    return await _with_consent(conn, business_id, matched, contact)


async def by_contact(conn: AsyncConnection, business_id: UUID, contact: Contact) -> MatchedCustomer:
    """Match a contact for a booking, or create a customer, and record the consent. Needs an open transaction."""
    return await _with_consent(conn, business_id, await match_or_create(conn, business_id, contact), contact)


async def match_or_create(conn: AsyncConnection, business_id: UUID, contact: Contact) -> MatchedCustomer:
    """Match a contact or create a customer, without recording a consent. Needs an open transaction."""
    return await _match_or_create(conn, business_id, contact, _MATCH_OR_CREATE)


async def of_stranger(conn: AsyncConnection, business_id: UUID, contact: Contact) -> MatchedCustomer:
    """Match a stranger's contact or create a customer; nobody's record is changed.

    Needs an open transaction.
    """
    matched = await _match_or_create(conn, business_id, contact, _MATCH_OR_CREATE_STRANGER)
    return await _with_consent(conn, business_id, matched, contact) if matched.is_new else matched


async def _match_or_create(
    conn: AsyncConnection, business_id: UUID, contact: Contact, statement: TextClause
) -> MatchedCustomer:
    await _lock(conn, business_id, contact.email, contact.phone)
    parameters = {
        "id": new_id(),
        "business_id": business_id,
        "name": contact.name,
        "email": contact.email,
        "phone": contact.phone,
        "locale": contact.locale,
        "timezone": contact.timezone,
    }
    found = await row(conn, statement, parameters)
    return MatchedCustomer(UUID(str(found["id"])), found["is_new"], _kept_with_booking(contact, found))


def _kept_with_booking(contact: Contact | None, known: Row) -> dict[str, Any] | None:
    return None if contact is None else booking_contact(asdict(contact), known)


async def _with_consent(
    conn: AsyncConnection, business_id: UUID, matched: MatchedCustomer, contact: Contact | None
) -> MatchedCustomer:
    """Record the booking's consent, if it covers the number of the customer's record."""
    if contact is None or not contact.sms_opt_in or "phone" in (matched.contact or {}):
        return matched
    await _opt_in(conn, business_id, matched.id, contact.sms_consent)
    own = {name: value for name, value in (matched.contact or {}).items() if name not in CONSENT}
    return replace(matched, contact=own or None)


async def lock_all(conn: AsyncConnection, business_id: UUID) -> None:
    """Lock the matching of all customers of this business until the transaction ends."""
    await execute(conn, _LOCK_ALL, {"business_id": str(business_id)})


async def _lock(conn: AsyncConnection, business_id: UUID, *contacts: str | None) -> None:
    known = [contact for contact in contacts if contact is not None]
    if known:
        await rows(conn, _LOCK, {"business_id": str(business_id), "contacts": known})


async def _opt_in(conn: AsyncConnection, business_id: UUID, customer_id: UUID, words: str) -> None:
    """Record the booking's consent, unless it was given before."""
    parameters = {"id": new_id(), "business_id": business_id, "customer_id": customer_id, "words": words}
    await execute(conn, _OPT_IN, parameters)


_COLUMNS = "id, name, email, phone, locale, timezone, sms_opt_in, user_id IS NOT NULL AS has_account, created_at"
_FIND = text(f"SELECT {_COLUMNS} FROM customers WHERE business_id = :business_id AND id = :id")  # noqa: S608
_FIND_TO_CHANGE = text(f"{_FIND.text} FOR NO KEY UPDATE")
_LIST = text(f"""
SELECT {_COLUMNS} FROM customers
WHERE business_id = :business_id AND id < :before
ORDER BY id DESC LIMIT :limit
""")  # noqa: S608
_SEARCH = text(f"""
SELECT {_COLUMNS} FROM customers
WHERE business_id = :business_id AND (email = CAST(:email AS text) OR phone = CAST(:phone AS text))
ORDER BY created_at, id LIMIT :limit
""")  # noqa: S608
_CHANGE = text(f"""
UPDATE customers SET name = :name, email = CAST(:email AS text), phone = CAST(:phone AS text),
    locale = CAST(:locale AS text), timezone = CAST(:timezone AS text)
WHERE business_id = :business_id AND id = :id
  AND NOT EXISTS (SELECT FROM customers other
                  WHERE other.business_id = :business_id AND other.email = CAST(:email AS text)
                    AND other.id <> :id)
RETURNING {_COLUMNS}
""")  # noqa: S608

_BEHIND_ALL = UUID(int=2**128 - 1)


async def find(conn: AsyncConnection, business_id: UUID, customer_id: UUID) -> Row | None:
    """A customer of this business."""
    return await row_or_none(conn, _FIND, {"business_id": business_id, "id": customer_id})


async def list_page(
    conn: AsyncConnection, business_id: UUID, *, limit: int, after: UUID | None = None
) -> Sequence[Row]:
    """Customers, newest first, after the one with the id `after`."""
    parameters = {"business_id": business_id, "before": after or _BEHIND_ALL, "limit": limit}
    return await rows(conn, _LIST, parameters)


async def search(
    conn: AsyncConnection, business_id: UUID, *, email: str | None, phone: str | None, limit: int
) -> Sequence[Row]:
    """Customers with this e-mail or phone, oldest first."""
    parameters = {"business_id": business_id, "email": email, "phone": phone, "limit": limit}
    return await rows(conn, _SEARCH, parameters)


async def find_to_change(
    conn: AsyncConnection, business_id: UUID, customer_id: UUID, *, email: str | None, phone: str | None
) -> Row | None:
    """A customer, locked together with the contact they are about to get until the transaction ends."""
    await _lock(conn, business_id, email, phone)
    return await row_or_none(conn, _FIND_TO_CHANGE, {"business_id": business_id, "id": customer_id})


async def change(
    conn: AsyncConnection,
    business_id: UUID,
    customer_id: UUID,
    *,
    name: str,
    email: str | None,
    phone: str | None,
    locale: str | None,
    timezone: str | None,
) -> Row | None:
    """Change a customer's data; None if another one has the e-mail. Call `find_to_change` first."""
    parameters = {
        "business_id": business_id,
        "id": customer_id,
        "name": name,
        "email": email,
        "phone": phone,
        "locale": locale,
        "timezone": timezone,
    }
    return await row_or_none(conn, _CHANGE, parameters)
