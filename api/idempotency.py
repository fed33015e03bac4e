"""The caller's `Idempotency-Key`, by which a request that is sent again is known.

`db.repositories.idempotency` has the two ways of claiming and settling a key. A write in the caller's own
transaction uses the first (`api.writes`, and creating and holding), a command to a booking the second
(`api.bookings.command_service`, through `claimed_key` below).
"""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

import orjson
from fastapi import Header
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import autocommit
from db.repositories import idempotency
from db.repositories.idempotency import Answer, Key
from domain.errors import EngineUnavailableError, HoldfastError

LONGEST_KEY: Final = 255
KEY_DESCRIPTION = "A fresh unique value for each request; the same value again gets the same answer."

OptionalKey = Annotated[
    str | None, Header(alias="Idempotency-Key", max_length=LONGEST_KEY, description=KEY_DESCRIPTION)
]


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


async def first_answer(engine: AsyncEngine, key: Key) -> Answer | None:
    """The answer that this key got before; none as long as there is none.

    Raises:
        IdempotencyMismatchError: the key was used for something else.
    """
    async with autocommit(engine) as conn:
        return await idempotency.find(conn, key)


@asynccontextmanager
async def claimed_key(engine: AsyncEngine, business_id: UUID, key: Key, lasts: timedelta) -> AsyncIterator[str]:
    """Claim the key while something else commits the effect; yields the claim's token. The body settles the key.

    Where the body fails, a refusal frees the key, and an outage leaves open whether there is an effect.

    Raises:
        RequestInFlightError: as `claim_row`.
    """
    async with autocommit(engine) as conn:
        token = await idempotency.claim_row(conn, business_id, key, lasts)
    try:
        yield token
    except BaseException as failure:
        reason = failure.__cause__ if isinstance(failure, EngineUnavailableError) else failure
        end = idempotency.release if isinstance(reason, HoldfastError) else idempotency.leave_open
        # A database that is away does not hide the failure: the claim expires by itself.
        with contextlib.suppress(Exception):
            async with autocommit(engine) as conn:
                await end(conn, business_id, key)
        raise
