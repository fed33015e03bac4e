"""Idempotency keys: what a caller asked under a key, and how it was answered.

A request claims its key first and settles it with its answer. There are two strategies:

- `claim` and `settle`, for an effect in the caller's own transaction. The claim is a lock that ends with the
  transaction, and the answer is committed with the effect or not at all. Creating and holding, which must be
  fast, only settle: a key that has an answer shows there, and undoes the effect.
- `claim_row` and `settle_row`, for a command, whose effect the booking's workflow commits. The key has a row
  before the command is sent: its status is 102 while somebody works on it, 503 when the outcome is not known, else
  that of the answer. Until there is an answer, the row holds the claim's token in its place. `release` and
  `leave_open` end a claim without an answer.

The scope of a key names its caller, so reading by key needs no tenant beside it.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.audit import ADD_AFTER, Entry, line_parameters
from db.repositories.rows import Row, execute, row, row_or_none
from db.repositories.unconfirmed import CONFIRM
from domain.errors import IdempotencyMismatchError, RequestInFlightError
from runtime.ids import new_id
from runtime.json import to_json_text

_UNANSWERED: Final = frozenset({102, 503})


@dataclass(frozen=True, slots=True)
class Key:
    """A caller's key, and a digest of what is asked under it."""

    scope: str
    """Who asks, and for what: keys of different scopes never meet."""
    key: str
    digest: str


@dataclass(frozen=True, slots=True)
class Answer:
    """How a request was answered."""

    response: str
    """The body, byte for byte."""
    status: int = 201
    headers: dict[str, str] = field(default_factory=dict)


_FIND = text("""
SELECT request_hash, response, status, CAST(headers AS text) AS headers
FROM idempotency_keys WHERE scope = :scope AND key = :key
""")


async def find(conn: AsyncConnection, key: Key) -> Answer | None:
    """The answer under this key; none as long as there is none.

    Raises:
        IdempotencyMismatchError: the key was used for something else.
    """
    found = await row_or_none(conn, _FIND, {"scope": key.scope, "key": key.key})
    return None if found is None else _answer_in(found, key)


def _answer_in(found: Row, key: Key) -> Answer | None:
    if found["request_hash"] != key.digest:
        raise IdempotencyMismatchError
    if found["status"] in _UNANSWERED:
        return None
    return Answer(found["response"], found["status"], orjson.loads(found["headers"]))


def answer_parameters(business_id: UUID, key: Key, answer: Answer) -> dict[str, Any]:
    """What a statement needs that stores an answer."""
    return _key_parameters(business_id, key) | {
        "response": answer.response,
        "status": answer.status,
        "headers": to_json_text(answer.headers),
    }


def _key_parameters(business_id: UUID, key: Key) -> dict[str, Any]:
    return {"scope": key.scope, "key": key.key, "business_id": business_id, "request_hash": key.digest}


# --- within the transaction of the effect ------------------------------------------------------------------------

_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended(CAST(:name AS text), 0)) AS is_ours")


async def claim(conn: AsyncConnection, key: Key) -> Answer | None:
    """Claim the key until the transaction ends; the answer that it has, or none.

    Raises:
        RequestInFlightError: somebody else works under this key at this moment.
        IdempotencyMismatchError: the key was used for something else.
    """
    if not (await row(conn, _LOCK, {"name": f"{key.scope} {key.key}"}))["is_ours"]:
        raise RequestInFlightError
    return await find(conn, key)


SETTLE: Final = """
INSERT INTO idempotency_keys (scope, key, business_id, request_hash, response, status, headers)
VALUES (:scope, :key, :business_id, :request_hash, :response, :status, CAST(:headers AS jsonb))
ON CONFLICT DO NOTHING RETURNING 1
"""
"""`settle` as a part of the statement that makes the effect; no row when the key has an answer already.

It takes `answer_parameters`.
"""

_SETTLE = text(SETTLE)


async def settle(conn: AsyncConnection, business_id: UUID, key: Key, answer: Answer) -> bool:
    """Store the answer in the transaction of its effect; False when the key has one already."""
    return await row_or_none(conn, _SETTLE, answer_parameters(business_id, key, answer)) is not None


# --- around an effect that is committed elsewhere ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a command's key before the command is executed."""

    answer: Answer | None
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


async def look_up(conn: AsyncConnection, key: Key, booking_id: UUID, command_key: str) -> Seen:
    """What is known of a command under this key.

    Raises:
        IdempotencyMismatchError: the key was used for something else.
    """
    parameters = {"booking_id": booking_id, "scope": key.scope, "key": key.key, "command_key": command_key}
    found = await row(conn, _LOOK_UP, parameters)
    return Seen(None if found["status"] is None else _answer_in(found, key), found["is_applied"])


# What nobody has finished for as long as a claim lasts was left behind by a crash. Only the same request may go on
# with it: the command has the same id then, and is applied once however often it is sent.
_CLAIM_ROW = text("""
INSERT INTO idempotency_keys (scope, key, business_id, request_hash, response, status)
VALUES (:scope, :key, :business_id, :request_hash, :token, 102)
ON CONFLICT (scope, key) DO UPDATE SET status = 102, created_at = clock_timestamp()
WHERE idempotency_keys.request_hash = excluded.request_hash
  AND (idempotency_keys.status = 503
       OR idempotency_keys.status = 102
          AND idempotency_keys.created_at < clock_timestamp() - CAST(:lasts AS interval))
RETURNING response AS token
""")


async def claim_row(conn: AsyncConnection, business_id: UUID, key: Key, lasts: timedelta) -> str:
    """Claim the key in a row of its own until it is settled, released, left open, or `lasts` is over.

    Returns the claim's token: the same as long as the outcome is not known, a new one after a refusal.

    Raises:
        RequestInFlightError: another request has the claim, or the key has its answer or is another command's.
    """
    parameters = _key_parameters(business_id, key) | {"token": new_id().hex, "lasts": lasts}
    claimed = await row_or_none(conn, _CLAIM_ROW, parameters)
    if claimed is None:
        raise RequestInFlightError
    return str(claimed["token"])


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
_SETTLE_ROW = text(_SETTLED.format(audited=ADD_AFTER.format(after="settled"), confirmed=CONFIRM))


async def settle_row(
    conn: AsyncConnection,
    business_id: UUID,
    key: Key,
    answer: Answer,
    line: Entry,
    *,
    booking_id: UUID,
    confirmed_version: int | None,
) -> bool:
    """Store the answer and its line of the audit log; False when the key has an answer, which stands.

    `confirmed_version` is the booking's version as its workflow has answered it; none: the answer was found in the
    history, and what the workflow knows is open.
    """
    parameters = answer_parameters(business_id, key, answer) | line_parameters(line)
    parameters |= {"booking_id": booking_id, "confirmed_version": confirmed_version}
    return await row_or_none(conn, _SETTLE_ROW, parameters) is not None


_RELEASE = text("""
DELETE FROM idempotency_keys
WHERE business_id = :business_id AND scope = :scope AND key = :key AND status = 102
""")
_LEAVE_OPEN = text("""
UPDATE idempotency_keys SET status = 503
WHERE business_id = :business_id AND scope = :scope AND key = :key AND status = 102
""")


async def release(conn: AsyncConnection, business_id: UUID, key: Key) -> None:
    """Forget the key: what was asked under it was refused, and has had no effect."""
    await execute(conn, _RELEASE, {"business_id": business_id, "scope": key.scope, "key": key.key})


async def leave_open(conn: AsyncConnection, business_id: UUID, key: Key) -> None:
    """Let whoever asks the same again go on with it at once: the outcome is not known."""
    await execute(conn, _LEAVE_OPEN, {"business_id": business_id, "scope": key.scope, "key": key.key})
