"""The callers' keys of commands, whose effect is committed elsewhere, by the booking's workflow.

So a key's row is there before the command is sent, and is the turn of whoever carries it out: its status is one
of HTTP's, 102 as long as somebody is at it, 503 when it is not known how it went, else that of the answer. Until
there is an answer, the name of the turn stands in its place.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.audit import ADD_AFTER, Entry, line_parameters
from db.repositories.idempotency import Answer, answer_parameters, as_answer
from db.repositories.rows import execute, row, row_or_none
from db.repositories.unconfirmed import CONFIRM
from runtime.ids import new_id

IN_FLIGHT: Final = 102
UNKNOWN: Final = 503


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a key before its request is carried out."""

    answer: Answer | None
    """What its row holds, an answer or a turn."""
    is_applied: bool
    """Whether the booking's history has a step that came from a command whose id begins as this key's do."""


# One statement and not two, as every command with a key begins with it. The history has to be asked as well: it
# knows a command even when its key's row is lost or, after a crash, without an answer.
_LOOK_UP = text("""
SELECT k.request_hash, k.response, k.status, CAST(k.headers AS text) AS headers,
       EXISTS (
           SELECT 1 FROM booking_history
           WHERE booking_id = :booking_id AND starts_with(command_id, :command_key)) AS is_applied
FROM (SELECT) AS once LEFT JOIN idempotency_keys k ON k.scope = :scope AND k.key = :key
""")


async def look_up(conn: AsyncConnection, booking_id: UUID, scope: str, key: str, command_key: str) -> Seen:
    """What is known of a command under this key. The scope names the caller, so no tenant is needed beside it."""
    parameters = {"booking_id": booking_id, "scope": scope, "key": key, "command_key": command_key}
    found = await row(conn, _LOOK_UP, parameters)
    return Seen(None if found["status"] is None else as_answer(found), found["is_applied"])


# What nobody has finished for as long as a turn lasts was left behind by a crash. Only the same request may go on
# with it: the command has the same name then, and is applied once however often it is sent.
_TAKE = text("""
INSERT INTO idempotency_keys (scope, key, business_id, request_hash, response, status)
VALUES (:scope, :key, :business_id, :request_hash, :turn, 102)
ON CONFLICT (scope, key) DO UPDATE SET status = 102, created_at = clock_timestamp()
WHERE idempotency_keys.request_hash = excluded.request_hash
  AND (idempotency_keys.status = 503
       OR idempotency_keys.status = 102
          AND idempotency_keys.created_at < clock_timestamp() - CAST(:lasts AS interval))
RETURNING response AS turn
""")


async def take(
    conn: AsyncConnection, business_id: UUID, scope: str, key: str, request_hash: str, lasts: timedelta
) -> str | None:
    """Take the turn to carry out the request under this key; the turn's name.

    The same as long as it is not known how it went, and a new one after a refusal. None: it is somebody else's
    turn, the key has its answer, or it was used for another request.
    """
    parameters = {
        "scope": scope,
        "key": key,
        "business_id": business_id,
        "request_hash": request_hash,
        "turn": new_id().hex,
        "lasts": lasts,
    }
    taken = await row_or_none(conn, _TAKE, parameters)
    return None if taken is None else str(taken["turn"])


_SETTLED = """
WITH settled AS (
    INSERT INTO idempotency_keys (scope, key, business_id, request_hash, response, status, headers)
    VALUES (:scope, :key, :business_id, :request_hash, :response, :status, CAST(:headers AS jsonb))
    ON CONFLICT (scope, key) DO UPDATE SET
        response = excluded.response, status = excluded.status, headers = excluded.headers
    WHERE idempotency_keys.request_hash = excluded.request_hash AND idempotency_keys.status IN (102, 503)
    RETURNING 1
), audited AS ({audited}), confirmed AS ({confirmed})
SELECT 1 FROM settled
"""
_SETTLE = text(_SETTLED.format(audited=ADD_AFTER.format(after="settled"), confirmed=CONFIRM))


async def settle(
    conn: AsyncConnection,
    business_id: UUID,
    scope: str,
    key: str,
    answer: Answer,
    line: Entry,
    *,
    booking_id: UUID,
    confirmed_version: int | None,
) -> bool:
    """Remember the answer, and add the line of the audit log with it; False when the key has one, which stands.

    `confirmed_version` is the booking's version as its workflow has answered it; none: the answer was found in the
    history, and what the workflow knows is open.
    """
    parameters = answer_parameters(business_id, scope, key, answer) | line_parameters(line)
    parameters |= {"booking_id": booking_id, "confirmed_version": confirmed_version}
    return await row_or_none(conn, _SETTLE, parameters) is not None


_FREE = text("""
DELETE FROM idempotency_keys
WHERE business_id = :business_id AND scope = :scope AND key = :key AND status = 102
""")
_GIVE_BACK = text("""
UPDATE idempotency_keys SET status = 503
WHERE business_id = :business_id AND scope = :scope AND key = :key AND status = 102
""")


async def free(conn: AsyncConnection, business_id: UUID, scope: str, key: str) -> None:
    """Forget the key: what was asked under it was refused, and has had no effect."""
    await execute(conn, _FREE, {"business_id": business_id, "scope": scope, "key": key})


async def give_back(conn: AsyncConnection, business_id: UUID, scope: str, key: str) -> None:
    """Let whoever asks the same again go on with it at once: it is not known how it went."""
    await execute(conn, _GIVE_BACK, {"business_id": business_id, "scope": scope, "key": key})
