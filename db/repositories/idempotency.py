"""Answers that were given already, by the caller's key."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, row, row_or_none
from runtime.json import to_json_text


@dataclass(frozen=True, slots=True)
class Answer:
    """What was asked, and how it was answered."""

    request_hash: str
    response: str
    """The body, byte for byte."""
    status: int = 201
    headers: dict[str, str] = field(default_factory=dict)


def answer_parameters(business_id: UUID, scope: str, key: str, answer: Answer) -> dict[str, Any]:
    """What a statement needs that stores an answer."""
    return {
        "scope": scope,
        "key": key,
        "business_id": business_id,
        "request_hash": answer.request_hash,
        "response": answer.response,
        "status": answer.status,
        "headers": to_json_text(answer.headers),
    }


_TAKE_TURN = text("SELECT pg_try_advisory_xact_lock(hashtextextended(CAST(:turn AS text), 0)) AS taken")


async def take_turn(conn: AsyncConnection, scope: str, key: str) -> bool:
    """Whether nobody else is working under this key; until the transaction ends nobody else will."""
    return bool((await row(conn, _TAKE_TURN, {"turn": f"{scope} {key}"}))["taken"])


_FIND = text("""
SELECT request_hash, response, status, CAST(headers AS text) AS headers
FROM idempotency_keys WHERE scope = :scope AND key = :key
""")


async def find(conn: AsyncConnection, scope: str, key: str) -> Answer | None:
    """The first answer under this key. The scope names the caller, so no tenant is needed beside it."""
    found = await row_or_none(conn, _FIND, {"scope": scope, "key": key})
    return None if found is None else as_answer(found)


def as_answer(found: Row) -> Answer:
    """The answer in a row, its headers as text."""
    return Answer(found["request_hash"], found["response"], found["status"], orjson.loads(found["headers"]))


_STORE = text("""
INSERT INTO idempotency_keys (scope, key, business_id, request_hash, response, status, headers)
VALUES (:scope, :key, :business_id, :request_hash, :response, :status, CAST(:headers AS jsonb))
ON CONFLICT DO NOTHING RETURNING 1
""")


async def store(conn: AsyncConnection, business_id: UUID, scope: str, key: str, answer: Answer) -> bool:
    """Remember an answer in the transaction of what it tells; False when the key has one already."""
    return await row_or_none(conn, _STORE, answer_parameters(business_id, scope, key, answer)) is not None
