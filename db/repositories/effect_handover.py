"""Handing effects over to Temporal: which are due, which have been handed over, and which are overdue."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.effect_attempts import AT_ONCE, LEASE_END
from db.repositories.rows import execute, rows
from domain.effects import DueEffect, EffectKind, EffectRef, Vendor

_KINDS: Final = frozenset(EffectKind)
_VENDORS: Final = frozenset(Vendor)

# Pairs of business and vendor take turns, so that one with thousands of effects due delays no other. No more is
# handed over than the business may have under way with the vendor: a vendor that hangs for one business fills no
# more of the worker's places than that. The pairs are found by leaping from one to the next in the index.
_TO_HAND_OVER = text(f"""
WITH RECURSIVE pair AS (
    (SELECT business_id, vendor FROM effects WHERE state = 'pending' AND handed_at IS NULL
     ORDER BY business_id, vendor LIMIT 1)
    UNION ALL
    SELECT next.business_id, next.vendor FROM pair CROSS JOIN LATERAL (
        SELECT business_id, vendor FROM effects
        WHERE state = 'pending' AND handed_at IS NULL
          AND (business_id, vendor) > (pair.business_id, pair.vendor)
        ORDER BY business_id, vendor LIMIT 1) next
), room AS (
    SELECT pair.*, {AT_ONCE} - (
        SELECT count(*) FROM effects u
        WHERE u.business_id = pair.business_id AND u.vendor = pair.vendor
          AND (u.state = 'running' OR u.state = 'pending' AND u.handed_at IS NOT NULL)) AS places
    FROM pair
)
SELECT due.* FROM room CROSS JOIN LATERAL (
    SELECT e.id AS effect_id, e.business_id, e.round, e.kind, e.vendor, e.booking_id, e.due_at
    FROM effects e
    WHERE e.business_id = room.business_id AND e.vendor = room.vendor
      AND e.state = 'pending' AND e.handed_at IS NULL AND e.due_at <= statement_timestamp()
      AND (e.lane IS NULL OR NOT EXISTS (
          SELECT 1 FROM effects earlier
          WHERE earlier.booking_id = e.booking_id AND earlier.lane = e.lane AND earlier.id < e.id
            AND earlier.state IN ('pending', 'retrying', 'running')))
    ORDER BY e.due_at, e.id LIMIT greatest(room.places, 0)) due
ORDER BY row_number() OVER (PARTITION BY due.business_id, due.vendor ORDER BY due.due_at, due.effect_id),
         due.due_at
LIMIT :limit
""")  # noqa: S608

_HANDED = text("""
UPDATE effects e SET handed_at = statement_timestamp()
FROM unnest(CAST(:ids AS uuid[]), CAST(:rounds AS integer[])) AS handed(id, round)
WHERE e.id = handed.id AND e.round = handed.round
""")


async def list_to_hand_over(conn: AsyncConnection, *, limit: int) -> list[DueEffect]:
    """The next effects of all tenants to hand over, of each tenant the longest due first.

    An effect of a kind or vendor that this version does not know is left to a worker of another version.
    """
    return [
        DueEffect(**{name: found[name] for name in DueEffect.model_fields})
        for found in await rows(conn, _TO_HAND_OVER, {"limit": limit})
        if found["kind"] in _KINDS and found["vendor"] in _VENDORS
    ]


async def mark_handed(conn: AsyncConnection, refs: Sequence[EffectRef]) -> None:
    """Note that Temporal has them, but for those that have meanwhile begun another round."""
    await execute(conn, _HANDED, {"ids": [ref.effect_id for ref in refs], "rounds": [ref.round for ref in refs]})


# Something should have been heard when the lease ended, when the next attempt was due, or, before the first
# attempt, when the effect was handed over.
_REQUEUE_EXPIRED = text(f"""
UPDATE effects SET handed_at = NULL, state = 'pending', lease_until = NULL
WHERE id IN (
    SELECT id FROM effects
    WHERE state IN ('pending', 'running', 'retrying') AND handed_at IS NOT NULL
      AND greatest(handed_at, next_attempt_at, {LEASE_END}) < statement_timestamp() - CAST(:age AS interval)
    LIMIT 1000 FOR UPDATE SKIP LOCKED)
RETURNING id
""")  # noqa: S608


async def requeue_expired(conn: AsyncConnection, *, age: timedelta) -> int:
    """Have effects handed over again that have been overdue for `age`; how many, 1000 at most.

    An effect that Temporal still has is not lost: handed over again, it stays the same activity.
    """
    return len(await rows(conn, _REQUEUE_EXPIRED, {"age": age}))
