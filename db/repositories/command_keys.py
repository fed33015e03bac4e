"""The callers' keys of commands, whose effect is committed elsewhere, by the booking's workflow.

So a key's row is there before the command is sent, and is the turn of whoever carries it out: its status is one
of HTTP's, 102 as long as somebody is at it, 503 when it is not known how it went, else that of the answer. Until
there is an answer, the name of the turn stands in its place.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.idempotency import Answer
from db.repositories.rows import execute, row_or_none
from runtime.ids import new_id
from runtime.json import to_json_text

IN_FLIGHT: Final = 102
UNKNOWN: Final = 503

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


_SETTLE = text("""
INSERT INTO idempotency_keys (scope, key, business_id, request_hash, response, status, headers)
VALUES (:scope, :key, :business_id, :request_hash, :response, :status, CAST(:headers AS jsonb))
ON CONFLICT (scope, key) DO UPDATE SET
    response = excluded.response, status = excluded.status, headers = excluded.headers
WHERE idempotency_keys.request_hash = excluded.request_hash AND idempotency_keys.status IN (102, 503)
RETURNING 1
""")


async def settle(conn: AsyncConnection, business_id: UUID, scope: str, key: str, answer: Answer) -> bool:
    """Remember the answer; False when the key has one already, which stands."""
    parameters = {
        "scope": scope,
        "key": key,
        "business_id": business_id,
        "request_hash": answer.request_hash,
        "response": answer.response,
        "status": answer.status,
        "headers": to_json_text(answer.headers),
    }
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
