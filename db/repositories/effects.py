"""Effects: planned with their cause, handed to Temporal, claimed by each attempt, and kept as the record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, execute, row_or_none, rows
from domain.effects import OPEN, EffectKind, EffectRef, EffectState, HandOver, Planned, Vendor
from runtime.json import to_json_text

_KINDS: Final = frozenset(EffectKind)
_VENDORS: Final = frozenset(Vendor)
AT_ONCE: Final = 20
"""Attempts that one business has under way with one vendor; a worker has several times as many places."""

# --- planning -------------------------------------------------------------------------------------------------

# One row for each vendor of the port that the business has: there is one, but of analytics there may be more.
_PLAN = text("""
INSERT INTO effects (id, business_id, booking_id, kind, vendor, target_id, key, lane, subject)
SELECT uuidv7(), :business_id, CAST(:booking_id AS uuid), w.kind, i.vendor, i.id, w.key || '/' || i.vendor, w.lane,
       w.subject
FROM ROWS FROM (
    jsonb_to_recordset(CAST(:wanted AS jsonb)) AS (kind text, port text, key text, lane text, subject jsonb)
) WITH ORDINALITY AS w(kind, port, key, lane, subject, place)
JOIN integrations i ON i.business_id = :business_id AND i.port = w.port AND i.enabled
ORDER BY w.place
ON CONFLICT (business_id, key) DO NOTHING
""")


async def plan(
    conn: AsyncConnection, business_id: UUID, booking_id: UUID | None, wanted: Sequence[Planned]
) -> None:
    """Plan effects with the vendors that the business has; what it has none for is left out.

    One whose key is there already changes nothing. Within the transaction of what causes them.
    """
    if wanted:
        parameters = {
            "business_id": business_id,
            "booking_id": booking_id,
            "wanted": to_json_text([one.model_dump(mode="json") for one in wanted]),
        }
        await execute(conn, _PLAN, parameters)


_PLAN_ONE = text("""
INSERT INTO effects (id, business_id, booking_id, kind, vendor, target_id, key, lane, subject)
VALUES (uuidv7(), :business_id, CAST(:booking_id AS uuid), :kind, :vendor, CAST(:target_id AS uuid), :key, :lane,
        CAST(:subject AS jsonb))
ON CONFLICT (business_id, key) DO NOTHING
RETURNING id
""")


async def plan_one(
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
    found = await row_or_none(conn, _PLAN_ONE, parameters)
    return None if found is None else found["id"]


# --- handing over to Temporal ---------------------------------------------------------------------------------

# Businesses take turns, each with each of its vendors, so that one that has thousands due stands in front of
# nobody. And no more is handed over than the business may have under way there: a vendor that hangs for it fills
# no more places than that. The pairs are found by leaping from one to the next in the index.
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


async def list_to_hand_over(conn: AsyncConnection, *, limit: int) -> list[HandOver]:
    """Effects of all tenants whose turn it is: of each the longest due first.

    One of a kind or vendor that this version does not know is left to the worker of another version.
    """
    return [
        HandOver(**{name: found[name] for name in HandOver.model_fields})
        for found in await rows(conn, _TO_HAND_OVER, {"limit": limit})
        if found["kind"] in _KINDS and found["vendor"] in _VENDORS
    ]


async def mark_handed(conn: AsyncConnection, refs: Sequence[EffectRef]) -> None:
    """Note that Temporal has them, unless they have meanwhile begun another round."""
    await execute(conn, _HANDED, {"ids": [ref.effect_id for ref in refs], "rounds": [ref.round for ref in refs]})


# The version before takes no lease: an attempt of its ends itself within 45 seconds, and 15 later Temporal does.
_LEASE_END: Final = "coalesce(lease_until, last_attempt_at + interval '60 seconds')"

# What was last to be heard of: the end of an attempt's lease, the next attempt, or that Temporal begins the first.
_TAKE_BACK = text(f"""
UPDATE effects SET handed_at = NULL, state = 'pending', lease_until = NULL
WHERE id IN (
    SELECT id FROM effects
    WHERE state IN ('pending', 'running', 'retrying') AND handed_at IS NOT NULL
      AND greatest(handed_at, next_attempt_at, {_LEASE_END}) < statement_timestamp() - CAST(:age AS interval)
    LIMIT 1000 FOR UPDATE SKIP LOCKED)
RETURNING id
""")  # noqa: S608


async def requeue_expired(conn: AsyncConnection, *, age: timedelta) -> int:
    """Have those handed over again that should have been heard of so long ago; how many.

    One that Temporal still holds is not lost: handed over again, it stays the same activity.
    """
    return len(await rows(conn, _TAKE_BACK, {"age": age}))


# --- attempts -------------------------------------------------------------------------------------------------


class NoRoomError(Exception):
    """As many attempts are under way as may be."""


class NotDueError(Exception):
    """Its next attempt is to come later, by `wait`: it was put off, or another attempt at it is under way."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__("not due")
        self.wait = wait


_ALMOST: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Claimed:
    """An effect that is being carried out."""

    id: UUID
    business_id: UUID
    booking_id: UUID | None
    kind: EffectKind
    vendor: Vendor
    key: str
    """Constant over all attempts: what a vendor knows the request by."""
    subject: Mapping[str, Any]
    attempts: int
    """With this one; above 1 the vendor may have done it already."""
    tries: int
    """Those of them since it was planned, or since somebody had it retried: they say how long to wait."""
    first_attempt_at: datetime
    created_at: datetime
    target_id: UUID | None
    vendor_ref: str | None
    settings: Mapping[str, Any]
    """Of the integration; empty for the installation's own."""
    secrets_encrypted: str | None = field(repr=False)
    has_target: bool
    """Whether the integration is still there and enabled."""


# One that is `running` has lost its worker once its lease has lapsed, and has its place already. The integration
# may have been removed and set up again since. One with a payment gateway that is switched off still brings to an
# end what was begun there.
_CLAIM = text(f"""
WITH claimed AS (
    UPDATE effects e
    SET state = 'running', attempts = attempts + 1, tries = tries + 1, last_attempt_at = statement_timestamp(),
        first_attempt_at = coalesce(first_attempt_at, statement_timestamp()), next_attempt_at = NULL,
        lease_until = statement_timestamp() + CAST(:lasts AS interval)
    WHERE business_id = :business_id AND id = :effect_id AND round = :round
      AND (next_attempt_at IS NULL OR next_attempt_at <= statement_timestamp() + interval '1 second')
      AND (state = 'running' AND coalesce({_LEASE_END}, '-infinity') <= statement_timestamp()
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
       CASE WHEN state = 'running' THEN {_LEASE_END} ELSE next_attempt_at END - statement_timestamp() AS wait
FROM effects
WHERE business_id = :business_id AND id = :effect_id
""")  # noqa: S608

_PUT_BACK = text("""
UPDATE effects
SET state = 'pending', round = round + 1, handed_at = NULL, next_attempt_at = NULL,
    due_at = statement_timestamp() + interval '1 second'
WHERE business_id = :business_id AND id = :effect_id AND round = :round AND state IN ('pending', 'retrying')
""")


async def claim(conn: AsyncConnection, business_id: UUID, ref: EffectRef, *, lasts: timedelta) -> Claimed | None:
    """Begin an attempt under a lease that `lasts` so long; none when there is nothing to attempt in this round.

    Raises:
        NoRoomError: the business has `AT_ONCE` under way with this vendor.
        NotDueError: the attempt before this one has said how long to wait, and its worker was killed then; or it
            is under way, for all we know, until its lease lapses.
    """
    parameters = {"business_id": business_id, "effect_id": ref.effect_id, "round": ref.round, "lasts": lasts}
    found = await row_or_none(conn, _CLAIM, parameters)
    if found is None:
        await _explain_refusal(conn, business_id, ref)
        return None
    typed = {"kind": EffectKind(found["kind"]), "vendor": Vendor(found["vendor"])}
    return Claimed(**(dict(found) | typed))


async def _explain_refusal(conn: AsyncConnection, business_id: UUID, ref: EffectRef) -> None:
    """Raise what keeps an attempt from beginning, if it is not that there is nothing to attempt."""
    now = await row_or_none(conn, _STATE, {"business_id": business_id, "effect_id": ref.effect_id})
    if now is None or now["round"] != ref.round or now["state"] not in OPEN:
        return
    wait = now["wait"] or timedelta()
    if now["state"] == EffectState.RUNNING:
        raise NotDueError(max(wait, _ALMOST))
    if wait > _ALMOST:
        raise NotDueError(wait)
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
    """Have the lease of the attempt of this number last so long from now; False when it has lapsed already."""
    parameters = {
        "business_id": business_id,
        "effect_id": ref.effect_id,
        "round": ref.round,
        "attempts": attempts,
        "lasts": lasts,
    }
    return await row_or_none(conn, _RENEW, parameters) is not None


async def requeue(conn: AsyncConnection, business_id: UUID, ref: EffectRef) -> None:
    """Have one that found no room handed over again a little later. It costs no attempt."""
    parameters = {"business_id": business_id, "effect_id": ref.effect_id, "round": ref.round}
    await execute(conn, _PUT_BACK, parameters)


# An attempt whose lease has lapsed may say what came of it as long as no other has begun; then the later one
# counts. What was skipped while it was under way has happened all the same.
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
    """End the attempt of this number, in whatever state it leaves the effect; False when it is not its to end."""
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


# --- reading and repairing ------------------------------------------------------------------------------------

_COLUMNS = """id, booking_id, kind, vendor, target_id, key, state, attempts, due_at, handed_at, first_attempt_at,
       last_attempt_at, next_attempt_at, last_error, vendor_ref, done_at, created_at"""

_OF_BOOKING = text(f"""
SELECT {_COLUMNS} FROM effects WHERE business_id = :business_id AND booking_id = :booking_id ORDER BY id
""")  # noqa: S608

_FIND = text(f"SELECT {_COLUMNS} FROM effects WHERE business_id = :business_id AND id = :effect_id")  # noqa: S608

_PAGE = f"""
SELECT {_COLUMNS} FROM effects
WHERE business_id = :business_id AND {{state}}
  AND (CAST(:vendor AS text) IS NULL OR vendor = :vendor)
  AND (CAST(:target_id AS uuid) IS NULL OR target_id = CAST(:target_id AS uuid))
  AND (CAST(:before AS uuid) IS NULL OR id < CAST(:before AS uuid))
ORDER BY id DESC LIMIT :limit
"""  # noqa: S608
# A statement for each state, for a partial index answers to none that leaves it open.
_PAGES = {state: text(_PAGE.format(state=f"state = '{state}'")) for state in EffectState} | {
    None: text(_PAGE.format(state="true"))
}

_RETRY = text(f"""
UPDATE effects
SET state = 'pending', round = round + 1, tries = 0, handed_at = NULL, next_attempt_at = NULL, done_at = NULL,
    due_at = statement_timestamp()
WHERE business_id = :business_id AND id = :effect_id AND state IN ('retrying', 'failed', 'skipped', 'obsolete')
RETURNING {_COLUMNS}
""")  # noqa: S608

_SKIP = text(f"""
UPDATE effects SET state = 'skipped', next_attempt_at = NULL, done_at = statement_timestamp()
WHERE business_id = :business_id AND id = :effect_id AND state IN ('pending', 'retrying', 'failed')
RETURNING {_COLUMNS}
""")  # noqa: S608


async def list_of_booking(conn: AsyncConnection, business_id: UUID, booking_id: UUID) -> Sequence[Row]:
    """Every effect of a booking, as they were planned."""
    return await rows(conn, _OF_BOOKING, {"business_id": business_id, "booking_id": booking_id})


async def list_page(
    conn: AsyncConnection,
    business_id: UUID,
    *,
    limit: int,
    state: EffectState | None = None,
    vendor: Vendor | None = None,
    target_id: UUID | None = None,
    before: UUID | None = None,
) -> Sequence[Row]:
    """A business's effects, the newest first, behind the one with the id `before`."""
    parameters = {
        "business_id": business_id,
        "vendor": vendor,
        "target_id": target_id,
        "before": before,
        "limit": limit,
    }
    return await rows(conn, _PAGES[state], parameters)


async def find(conn: AsyncConnection, business_id: UUID, effect_id: UUID) -> Row | None:
    """One effect."""
    return await row_or_none(conn, _FIND, {"business_id": business_id, "effect_id": effect_id})


async def retry(conn: AsyncConnection, business_id: UUID, effect_id: UUID) -> Row | None:
    """Begin another round of attempts at once; none when it is done, or just being attempted."""
    return await row_or_none(conn, _RETRY, {"business_id": business_id, "effect_id": effect_id})


async def skip(conn: AsyncConnection, business_id: UUID, effect_id: UUID) -> Row | None:
    """Do without it; none when there is nothing left to do without, or it is just being attempted.

    What comes behind it in its lane must not begin while a vendor has it in hand.
    """
    return await row_or_none(conn, _SKIP, {"business_id": business_id, "effect_id": effect_id})
