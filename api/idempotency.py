"""The caller's key, by which a request that is sent again is known."""

import hashlib
from typing import Annotated

import orjson
from fastapi import Header
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import autocommit
from db.repositories import idempotency
from domain.errors import IdempotencyMismatchError

KEY_DESCRIPTION = "A fresh unique value for each request; the same value again gets the same answer."

OptionalKey = Annotated[str | None, Header(alias="Idempotency-Key", max_length=255, description=KEY_DESCRIPTION)]


def plain_key(header: str | None) -> str | None:
    """The key without the quotes that a structured header has; none when it is missing or empty."""
    return (header or "").strip().strip('"').strip() or None


def digest(body: BaseModel) -> str:
    """A hash of what is asked, the same for every spelling of the same JSON.

    Members that are not set do not count, so that one that is added to the shape later changes no hash.
    """
    plain = body.model_dump(mode="json", exclude_none=True)
    return hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).hexdigest()


def digest_of(path: str, asked: BaseModel | None) -> str:
    """The same, of what is asked at a path."""
    return hashlib.sha256(f"{path} {digest(asked) if asked else ''}".encode()).hexdigest()


async def first_answer(engine: AsyncEngine, scope: str, key: str, asked: str) -> str | None:
    """The body that this key was answered with before; `asked` is the digest of what is asked now.

    Raises:
        IdempotencyMismatchError: something else was asked then.
    """
    async with autocommit(engine) as conn:
        answer = await idempotency.find(conn, scope, key)
    if answer is not None and answer.request_hash != asked:
        raise IdempotencyMismatchError
    return None if answer is None else answer.response
