"""Planning effects: every row of `effects` is inserted by a statement of this module's making.

An effect is planned in the transaction of what causes it. One whose key is there already changes nothing. The ids
grow in the order of the plan, and effects of one sequence are carried out by id.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import execute, row_or_none
from domain.effects import Planned, Port, Vendor
from runtime.json import to_json_text


def insert_effects(selection: str) -> str:
    """The statement, or part of one, that plans an effect for each row of a selection, in the selection's order.

    The selection yields `business_id`, `booking_id`, `kind`, `vendor`, `target_id`, `key`, `lane` and `subject`,
    in this order and in the columns' types. The statement can go on with `RETURNING`.
    """
    return f"""
INSERT INTO effects (id, business_id, booking_id, kind, vendor, target_id, key, lane, subject)
SELECT uuidv7(), planned.* FROM ({selection}) AS planned
ON CONFLICT (business_id, key) DO NOTHING
"""  # noqa: S608


_WANTED: Final = """ROWS FROM (
    jsonb_to_recordset(CAST(:wanted AS jsonb)) AS (
        kind text, port text, key text, sequence_key text, subject jsonb)
) WITH ORDINALITY AS w(kind, port, key, sequence_key, subject, place)"""

# An effect for each vendor of the port that the business has: of analytics there may be more than one.
_FOR_INTEGRATIONS = text(
    insert_effects(f"""
SELECT i.business_id, CAST(:booking_id AS uuid), w.kind, i.vendor, i.id, w.key || '/' || i.vendor, w.sequence_key,
       w.subject
FROM {_WANTED}
JOIN integrations i ON i.business_id = :business_id AND i.port = w.port AND i.enabled
ORDER BY w.place
""")  # noqa: S608
)

_ACCOUNT_GONE: Final = UUID(int=0)
"""In place of a gateway's account that is gone: what is still planned with it fails as `not_configured`."""

# With the gateway that the payment began with, whichever the business has by now.
_FOR_PAYMENT = text(
    insert_effects(f"""
SELECT p.business_id, p.booking_id, w.kind, p.vendor, coalesce(i.id, CAST(:account_gone AS uuid)),
       w.key || '/' || p.vendor, w.sequence_key, w.subject
FROM payments p
JOIN {_WANTED} ON coalesce(w.subject ->> 'collect', p.collect) = p.collect
LEFT JOIN integrations i ON i.business_id = p.business_id AND i.vendor = p.vendor
WHERE p.business_id = :business_id AND p.booking_id = :booking_id
ORDER BY w.place
""")  # noqa: S608
)


async def plan(
    conn: AsyncConnection, business_id: UUID, booking_id: UUID | None, wanted: Sequence[Planned]
) -> None:
    """Plan effects with the vendors that the business has; what it has none for is left out.

    Effects on a payment go to the gateway that the booking's payment began with. There are none for a booking
    without a payment, and one whose subject names a `collect` is for payments that are collected so.
    """
    on_payments = [one for one in wanted if one.port is Port.PAYMENTS]
    others = [one for one in wanted if one.port is not Port.PAYMENTS]
    parameters = {"business_id": business_id, "booking_id": booking_id}
    if others:
        await execute(conn, _FOR_INTEGRATIONS, parameters | {"wanted": _listed(others)})
    if on_payments:
        place = {"wanted": _listed(on_payments), "account_gone": _ACCOUNT_GONE}
        await execute(conn, _FOR_PAYMENT, parameters | place)


def _listed(wanted: Sequence[Planned]) -> str:
    return to_json_text([one.model_dump(mode="json") for one in wanted])


_WITH_VENDOR = text(
    insert_effects("""
SELECT CAST(:business_id AS uuid), CAST(:booking_id AS uuid), CAST(:kind AS varchar), CAST(:vendor AS varchar),
       CAST(:target_id AS uuid), CAST(:key AS varchar), CAST(:sequence_key AS varchar), CAST(:subject AS jsonb)
""")
    + "RETURNING id"
)


async def plan_with(
    conn: AsyncConnection,
    business_id: UUID,
    booking_id: UUID | None,
    wanted: Planned,
    *,
    vendor: Vendor,
    target_id: UUID | None,
) -> UUID | None:
    """Plan one effect with a vendor that is named; its id, or none when its key is there already."""
    parameters = wanted.model_dump(mode="json", exclude={"port", "subject"}) | {
        "business_id": business_id,
        "booking_id": booking_id,
        "vendor": vendor,
        "target_id": target_id,
        "subject": to_json_text(wanted.subject),
    }
    found = await row_or_none(conn, _WITH_VENDOR, parameters)
    return None if found is None else found["id"]
