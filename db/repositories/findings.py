"""Findings of reconciliation: one row per booking and kind of difference, reused when the difference returns."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, row_or_none, rows
from domain.effects import SequenceKey, Vendor
from domain.reconciliation import Difference, FindingState, IntegrationRef
from runtime.ids import new_id
from runtime.json import to_json_text

_COLUMNS = "id, booking_id, vendor, kind, detail, state, found_at, resolved_at"

# --- comparing ------------------------------------------------------------------------------------------------

_TO_RECONCILE = text("""
SELECT i.business_id, i.id AS integration_id, i.port FROM integrations i
WHERE i.enabled AND i.port IN ('jobs', 'payments')
  AND (CAST(:business_id AS uuid) IS NULL OR i.business_id = CAST(:business_id AS uuid))
  AND (CAST(:after AS uuid) IS NULL OR i.id > CAST(:after AS uuid))
ORDER BY i.id LIMIT :limit
""")


async def list_to_reconcile(
    conn: AsyncConnection, *, only: UUID | None, after: UUID | None, limit: int
) -> list[IntegrationRef]:
    """Integrations whose records can be compared, of `only` one business or of all."""
    parameters = {"business_id": only, "after": after, "limit": limit}
    return [IntegrationRef(**dict(found)) for found in await rows(conn, _TO_RECONCILE, parameters)]


async def any_to_reconcile(conn: AsyncConnection) -> bool:
    """Whether any business of any tenant has such an integration."""
    return bool(await list_to_reconcile(conn, only=None, after=None, limit=1))


_NOTHING_SINCE = text("""
SELECT b.id FROM bookings b
WHERE b.business_id = :business_id AND b.id = :booking_id
  AND NOT EXISTS (
      SELECT 1 FROM effects e
      WHERE e.business_id = b.business_id AND e.booking_id = b.id AND e.lane = CAST(:sequence_key AS varchar)
        AND (e.state IN ('pending', 'running', 'retrying')
             OR e.id > coalesce(CAST(:effect_id AS uuid), '00000000-0000-0000-0000-000000000000')))
""")


async def is_unchanged(
    conn: AsyncConnection,
    business_id: UUID,
    booking_id: UUID,
    *,
    sequence_key: SequenceKey,
    effect_id: UUID | None,
) -> bool:
    """Whether nothing is on its way to the vendor, nor was since the effect that was the last one then."""
    parameters = {
        "business_id": business_id,
        "booking_id": booking_id,
        "sequence_key": sequence_key,
        "effect_id": effect_id,
    }
    return await row_or_none(conn, _NOTHING_SINCE, parameters) is not None


# --- storing findings -----------------------------------------------------------------------------------------

# A dismissed finding stays dismissed until the difference changes.
_REPORT = text(f"""
INSERT INTO findings AS known (id, business_id, booking_id, vendor, kind, key, detail, state, found_at)
VALUES (:id, :business_id, :booking_id, :vendor, :kind, :key, CAST(:detail AS jsonb), :state,
        statement_timestamp())
ON CONFLICT (business_id, key) DO UPDATE SET
    state = excluded.state, detail = excluded.detail, found_at = excluded.found_at, resolved_at = NULL
WHERE known.state = 'resolved'
  AND NOT (known.detail ? 'dismissed' AND known.detail - 'dismissed' - 'repair' = excluded.detail)
RETURNING {_COLUMNS}
""")  # noqa: S608

_GIVE_UP = text(f"""
UPDATE findings SET state = 'open', detail = detail || '{{"repair": "failed"}}'
WHERE business_id = :business_id AND key = :key AND state = 'repairing'
RETURNING {_COLUMNS}
""")  # noqa: S608


def _key(vendor: Vendor, difference: Difference) -> str:
    return f"{difference.booking_id}/{vendor}/{difference.kind}"


async def report(conn: AsyncConnection, business_id: UUID, vendor: Vendor, difference: Difference) -> Row | None:
    """Store a difference; None if it is known already.

    A repairable one is `repairing` at first, and `open` if it is still there after the repair.
    """
    parameters: dict[str, Any] = {
        "id": new_id(),
        "business_id": business_id,
        "booking_id": difference.booking_id,
        "vendor": vendor,
        "kind": difference.kind,
        "key": _key(vendor, difference),
        "detail": to_json_text(difference.detail),
        "state": FindingState.REPAIRING if difference.repair else FindingState.OPEN,
    }
    found = await row_or_none(conn, _REPORT, parameters)
    if found is not None or difference.repair is None:
        return found
    return await row_or_none(conn, _GIVE_UP, {"business_id": business_id, "key": parameters["key"]})


_RESOLVE_GONE = text("""
UPDATE findings SET state = 'resolved', resolved_at = statement_timestamp()
WHERE business_id = :business_id AND vendor = :vendor AND booking_id = ANY(CAST(:booking_ids AS uuid[]))
  AND NOT key = ANY(CAST(:keys AS text[])) AND state <> 'resolved'
RETURNING id
""")


async def resolve_gone(
    conn: AsyncConnection,
    business_id: UUID,
    vendor: Vendor,
    *,
    compared: Sequence[UUID],
    found: Sequence[Difference],
) -> int:
    """Resolve the compared bookings' findings that were not found again; returns how many."""
    parameters = {
        "business_id": business_id,
        "vendor": vendor,
        "booking_ids": list(compared),
        "keys": [_key(vendor, difference) for difference in found],
    }
    return len(await rows(conn, _RESOLVE_GONE, parameters))


_TO_FLAG = text("""
SELECT DISTINCT f.booking_id FROM findings f
JOIN bookings b ON b.business_id = f.business_id AND b.id = f.booking_id
WHERE f.business_id = :business_id AND f.vendor = :vendor AND f.state = 'open'
  AND NOT b.needs_attention AND b.status NOT IN ('completed', 'cancelled')
LIMIT :limit
""")


async def list_to_flag(conn: AsyncConnection, business_id: UUID, vendor: Vendor, *, limit: int) -> list[UUID]:
    """Bookings that are not over, have an open finding, and are not flagged."""
    parameters = {"business_id": business_id, "vendor": vendor, "limit": limit}
    return [found["booking_id"] for found in await rows(conn, _TO_FLAG, parameters)]


# --- reading and resolving ------------------------------------------------------------------------------------

_PAGE = text(f"""
SELECT {_COLUMNS} FROM findings
WHERE business_id = :business_id AND (CAST(:state AS text) IS NULL OR state = :state)
  AND (CAST(:after_at AS timestamptz) IS NULL
       OR (found_at, id) < (CAST(:after_at AS timestamptz), CAST(:after_id AS uuid)))
ORDER BY found_at DESC, id DESC LIMIT :limit
""")  # noqa: S608


async def list_page(
    conn: AsyncConnection,
    business_id: UUID,
    *,
    limit: int,
    state: FindingState | None = None,
    after: tuple[datetime, UUID] | None = None,
) -> Sequence[Row]:
    """A business's findings, newest first, after the one with this moment and id."""
    after_at, after_id = after or (None, None)
    parameters = {
        "business_id": business_id,
        "state": state,
        "after_at": after_at,
        "after_id": after_id,
        "limit": limit,
    }
    return await rows(conn, _PAGE, parameters)


_RESOLVE = text(f"""
UPDATE findings
SET state = 'resolved', resolved_at = coalesce(resolved_at, statement_timestamp()),
    detail = CASE WHEN state = 'resolved' THEN detail ELSE detail || '{{"dismissed": true}}' END
WHERE business_id = :business_id AND id = :finding_id
RETURNING {_COLUMNS}
""")  # noqa: S608


async def resolve(conn: AsyncConnection, business_id: UUID, finding_id: UUID) -> Row | None:
    """Dismiss a finding until the difference changes; None if there is no such finding."""
    return await row_or_none(conn, _RESOLVE, {"business_id": business_id, "finding_id": finding_id})
