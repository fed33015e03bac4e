"""Attempts at effects: each is claimed under a lease, renewed while it goes on, and ended with what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import execute, row_or_none
from domain.effect_retries import DUE_WITHIN
from domain.effects import OPEN, EffectKind, EffectRef, EffectState, Vendor

AT_ONCE: Final = 20
"""Attempts that one business has under way with one vendor; a worker has several times as many places."""

LEASE_END: Final = "coalesce(lease_until, last_attempt_at + interval '60 seconds')"
"""Part of a statement: when an attempt's lease lapses.

The version before takes no lease. An attempt of that version ends itself within 45 seconds, or 15 seconds later
Temporal ends it.
"""


class NoRoomError(Exception):
    """The business has `AT_ONCE` attempts under way with the vendor."""


class NotDueError(Exception):
    """The next attempt is due when `left` has passed: it was put off, or another attempt is under way."""

    def __init__(self, left: timedelta) -> None:
        super().__init__("not due")
        self.left = left


@dataclass(frozen=True, slots=True)
class Claimed:
    """An effect that is being attempted."""

    id: UUID
    business_id: UUID
    booking_id: UUID | None
    kind: EffectKind
    vendor: Vendor
    key: str
    """Constant over all attempts: the vendor knows the request by it."""
    subject: Mapping[str, Any]
    attempts: int
    """Including this one; above 1 the vendor may have done it already."""
    tries: int
    """The attempts of this round, including this one. A round begins with the plan, or when somebody retries."""
    first_attempt_at: datetime
    created_at: datetime
    target_id: UUID | None
    vendor_ref: str | None
    settings: Mapping[str, Any]
    """The integration's; empty for the installation's own account."""
    secrets_encrypted: str | None = field(repr=False)
    has_target: bool
    """Whether the integration still exists and is enabled."""


# An effect that is `running` has lost its worker once its lease has lapsed, and it counts among those under way
# already. The integration may have been removed and set up again since the plan. What was begun at a payment
# gateway is brought to an end even when the gateway is disabled.
_CLAIM = text(f"""
WITH claimed AS (
    UPDATE effects e
    SET state = 'running', attempts = attempts + 1, tries = tries + 1, last_attempt_at = statement_timestamp(),
        first_attempt_at = coalesce(first_attempt_at, statement_timestamp()), next_attempt_at = NULL,
        lease_until = statement_timestamp() + CAST(:lasts AS interval)
    WHERE business_id = :business_id AND id = :effect_id AND round = :round
      AND (next_attempt_at IS NULL OR next_attempt_at <= statement_timestamp() + CAST(:due_within AS interval))
      AND (state = 'running' AND coalesce({LEASE_END}, '-infinity') <= statement_timestamp()
           OR state IN ('pending', 'retrying') AND (
          SELECT count(*) FROM effects other
          WHERE other.business_id = e.business_id AND other.vendor = e.vendor AND other.state = 'running'
      ) < {AT_ONCE})
    RETURNING id, business_id, booking_id, kind, vendor, key, subject, attempts, tries, first_attempt_at,
              created_at, target_id, vendor_ref
)
SELECT c.id, c.business_id, c.booking_id, c.kind, c.vendor, c.key, c.subject, c.attempts, c.tries,
       c.first_attempt_at, c.created_at, c.vendor_ref, coalesce(i.id, c.target_id) AS target_id,
       coalesce(i.settings, '{{}}') AS settings, i.secrets_encrypted,
       c.target_id IS NULL OR c.vendor = 'webhook' OR coalesce(i.enabled OR i.port = 'payments', false)
           AS has_target
FROM claimed c
LEFT JOIN integrations i ON c.target_id IS NOT NULL AND i.business_id = c.business_id AND i.vendor = c.vendor
""")  # noqa: S608

_STATE = text(f"""
SELECT state, round,
       CASE WHEN state = 'running' THEN {LEASE_END} ELSE next_attempt_at END - statement_timestamp() AS left
FROM effects
WHERE business_id = :business_id AND id = :effect_id
""")  # noqa: S608

_REQUEUE = text("""
UPDATE effects
SET state = 'pending', round = round + 1, handed_at = NULL, next_attempt_at = NULL,
    due_at = statement_timestamp() + CAST(:wait AS interval)
WHERE business_id = :business_id AND id = :effect_id AND round = :round AND state IN ('pending', 'retrying')
""")


async def claim(conn: AsyncConnection, business_id: UUID, ref: EffectRef, *, lasts: timedelta) -> Claimed | None:
    """Begin an attempt under a lease that `lasts` so long; none when there is nothing to attempt in this round.

    Raises:
        NoRoomError: the business has `AT_ONCE` attempts under way with this vendor.
        NotDueError: the attempt before this one said how long to wait, and its worker was killed then; or its
            lease has not lapsed, and it may still be under way.
    """
    parameters = {
        "business_id": business_id,
        "effect_id": ref.effect_id,
        "round": ref.round,
        "lasts": lasts,
        "due_within": DUE_WITHIN,
    }
    found = await row_or_none(conn, _CLAIM, parameters)
    if found is None:
        await _explain_refusal(conn, business_id, ref)
        return None
    typed = {"kind": EffectKind(found["kind"]), "vendor": Vendor(found["vendor"])}
    return Claimed(**(dict(found) | typed))


async def _explain_refusal(conn: AsyncConnection, business_id: UUID, ref: EffectRef) -> None:
    """Raise why the attempt cannot begin; return when there is nothing to attempt."""
    now = await row_or_none(conn, _STATE, {"business_id": business_id, "effect_id": ref.effect_id})
    if now is None or now["round"] != ref.round or now["state"] not in OPEN:
        return
    left = now["left"] or timedelta()
    if now["state"] == EffectState.RUNNING or left > DUE_WITHIN:
        raise NotDueError(left)
    raise NoRoomError


_RENEW = text("""
UPDATE effects SET lease_until = statement_timestamp() + CAST(:lasts AS interval)
WHERE business_id = :business_id AND id = :effect_id AND round = :round AND attempts = :attempts
  AND state = 'running' AND lease_until > statement_timestamp()
RETURNING id
""")


async def renew(
    conn: AsyncConnection, business_id: UUID, ref: EffectRef, *, attempts: int, lasts: timedelta
) -> bool:
    """Have the lease of attempt number `attempts` last so long from now; False when it has lapsed already."""
    parameters = {
        "business_id": business_id,
        "effect_id": ref.effect_id,
        "round": ref.round,
        "attempts": attempts,
        "lasts": lasts,
    }
    return await row_or_none(conn, _RENEW, parameters) is not None


async def requeue(conn: AsyncConnection, business_id: UUID, ref: EffectRef, *, wait: timedelta) -> None:
    """Have an effect that found no room handed over again after `wait`. It costs no attempt."""
    parameters = {"business_id": business_id, "effect_id": ref.effect_id, "round": ref.round, "wait": wait}
    await execute(conn, _REQUEUE, parameters)


# An attempt whose lease has lapsed can still be ended as long as no other has begun; from then on the later one
# counts. What was skipped while the attempt was under way has happened all the same.
_FINISH = text("""
UPDATE effects
SET state = :state, last_error = CAST(:error AS varchar),
    vendor_ref = coalesce(CAST(:vendor_ref AS varchar), vendor_ref),
    done_at = CASE WHEN :state = 'retrying' THEN NULL ELSE statement_timestamp() END,
    next_attempt_at = statement_timestamp() + CAST(:wait AS interval), lease_until = NULL
WHERE business_id = :business_id AND id = :effect_id AND round = :round AND attempts = :attempts
  AND (state = 'running' OR state = 'skipped' AND :state = 'done')
RETURNING id
""")


async def finish(
    conn: AsyncConnection,
    business_id: UUID,
    ref: EffectRef,
    state: EffectState,
    *,
    attempts: int,
    error: str | None = None,
    vendor_ref: str | None = None,
    wait: timedelta | None = None,
) -> bool:
    """End attempt number `attempts`, which leaves the effect in this state; False when a later one has begun.

    `wait` is the time until the next attempt, if there is one.
    """
    parameters = {
        "business_id": business_id,
        "effect_id": ref.effect_id,
        "round": ref.round,
        "state": state,
        "attempts": attempts,
        "error": error,
        "vendor_ref": vendor_ref,
        "wait": wait,
    }
    return await row_or_none(conn, _FINISH, parameters) is not None
