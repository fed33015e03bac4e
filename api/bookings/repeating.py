"""A command with an `Idempotency-Key`: given once, and answered alike however often it is sent.

The effect is committed by the booking's workflow, the answer stored afterwards. A crash in between loses the
answer but not the effect: the command's name is in the history, and the next request recognises it.
"""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import orjson
from fastapi import Request

from api import audit_trail
from api.bookings import representation
from api.bookings.commanding import CommandId, Order, carry_out, grant
from api.deps import AppState
from api.preconditions import etag_of
from api.request_context import RequestContext, context_of
from db.engine import autocommit
from db.repositories import bookings, command_keys, idempotency
from db.repositories.command_keys import IN_FLIGHT, UNKNOWN, Seen
from db.repositories.idempotency import Answer
from db.repositories.rows import Row
from domain.callers import is_party_to
from domain.errors import (
    EngineUnavailableError,
    HiddenError,
    HoldfastError,
    IdempotencyMismatchError,
    RequestInFlightError,
)


@dataclass(frozen=True, slots=True)
class _Keyed:
    """An order under its sender's key."""

    app: AppState
    request: Request
    order: Order
    key: str
    name: CommandId

    @property
    def context(self) -> RequestContext:
        """What is known of the request."""
        return context_of(self.request)

    @property
    def scope(self) -> str:
        """Keys of different callers, commands and bookings never meet."""
        return f"{self.context.caller_name}/{self.order.kind}/{self.order.booking_id}"


async def give_once(app: AppState, request: Request, order: Order, key: str) -> Answer:
    """Give the command, or give the answer that it got before.

    Raises:
        RequestInFlightError: the same command is being carried out under this key at this moment.
        IdempotencyMismatchError: the key was used for this command with other particulars.
        HoldfastError: refused by the booking, which leaves the key free, or the engine is away, which does not.
    """
    context = context_of(request)
    keyed = _Keyed(app, request, order, key, order.name_for(context.caller))
    seen = await _seen(keyed)
    if (first := _answered(keyed, seen.answer)) is not None:
        return first
    if seen.is_applied and (done := await _applied(keyed)) is not None:
        return await _settled(keyed, done, is_confirmed=False)
    try:
        return await _give(keyed)
    except HoldfastError:
        # A booking that this very command has just changed refuses it when it is given again.
        if (done := await _applied(keyed)) is None:
            raise
        return await _settled(keyed, done, is_confirmed=False)


async def _give(keyed: _Keyed) -> Answer:
    granted = await grant(keyed.app, keyed.context, keyed.order)
    turn = await _take_turn(keyed, granted.row["business_id"])
    if turn is None:
        return await _answer_of_rival(keyed)
    async with _ending_turn(keyed):
        after = await carry_out(keyed.app, keyed.context, granted, keyed.name, turn)
        return await _settled(keyed, after, is_confirmed=True)


async def _take_turn(keyed: _Keyed, business_id: UUID) -> str | None:
    lasts = timedelta(seconds=keyed.app.settings.command_timeout_seconds)
    async with autocommit(keyed.app.engine) as conn:
        return await command_keys.take(conn, business_id, keyed.scope, keyed.key, keyed.name.digest, lasts)


@asynccontextmanager
async def _ending_turn(keyed: _Keyed) -> AsyncIterator[None]:
    """End the turn when it fails: a refusal frees the key, an outage leaves open whether there is an effect."""
    try:
        yield
    except BaseException as failure:
        reason = failure.__cause__ if isinstance(failure, EngineUnavailableError) else failure
        await _end_turn(keyed, refused=isinstance(reason, HoldfastError))
        raise


async def _end_turn(keyed: _Keyed, *, refused: bool) -> None:
    """What cannot be stored now is made up for by time: a turn does not last for ever."""
    end = command_keys.free if refused else command_keys.give_back
    assert keyed.context.business_id is not None
    with contextlib.suppress(Exception):
        async with autocommit(keyed.app.engine) as conn:
            await end(conn, keyed.context.business_id, keyed.scope, keyed.key)


async def _seen(keyed: _Keyed) -> Seen:
    order, name = keyed.order, keyed.name
    async with autocommit(keyed.app.engine) as conn:
        return await command_keys.look_up(conn, order.booking_id, keyed.scope, keyed.key, name.key)


def _answered(keyed: _Keyed, found: Answer | None) -> Answer | None:
    """The answer that was given before; none as long as there is none.

    Raises:
        IdempotencyMismatchError: the key was used for this command with other particulars.
    """
    if found is None:
        return None
    if found.request_hash != keyed.name.digest:
        raise IdempotencyMismatchError
    return None if found.status in (IN_FLIGHT, UNKNOWN) else _repeated(keyed, found)


async def _answer_of_rival(keyed: _Keyed) -> Answer:
    """The answer to the same request that was sent at the same time, if it has one by now."""
    async with autocommit(keyed.app.engine) as conn:
        found = await idempotency.find(conn, keyed.scope, keyed.key)
    answer = _answered(keyed, found)
    if answer is None:
        raise RequestInFlightError
    return answer


def _repeated(keyed: _Keyed, answer: Answer) -> Answer:
    """Nothing is done by it, so there is nothing to audit."""
    context = keyed.context
    context.about(UUID(orjson.loads(answer.response)["business_id"]), keyed.order.booking_id)
    context.settle_audit()
    return answer


async def _applied(keyed: _Keyed) -> Row | None:
    """The booking, where this command was applied before and only its answer was lost.

    Raises:
        IdempotencyMismatchError: the key was used for this command with other particulars.
        HiddenError: its sender has nothing to do with the business any more.
    """
    async with autocommit(keyed.app.engine) as conn:
        row = await bookings.find_applied(conn, keyed.order.booking_id, keyed.name.key)
    if row is None:
        return None
    if row["command_id"] != str(keyed.name):
        raise IdempotencyMismatchError
    if not is_party_to(keyed.context.caller, row["id"], row["business_id"], row["customer_user_id"]):
        keyed.context.about(row["business_id"])
        raise HiddenError
    return row


async def _settled(keyed: _Keyed, row: Row, *, is_confirmed: bool) -> Answer:
    """Store the answer, and give what is stored: another request may have been quicker, and is audited.

    Where the workflow has not answered, it may not know the step, and is told.
    """
    if not is_confirmed:
        with contextlib.suppress(EngineUnavailableError):  # the worker's recovery tells it later
            await keyed.app.gateway.catch_up(row["id"], by="resend")
    context = keyed.context
    context.about(row["business_id"], row["id"])
    answer = answer_of(row, context, keyed.name)
    line = audit_trail.entry_of(keyed.request, "done")
    async with autocommit(keyed.app.engine) as conn:
        is_first = await command_keys.settle(
            conn,
            row["business_id"],
            keyed.scope,
            keyed.key,
            answer,
            line,
            booking_id=row["id"],
            confirmed_version=row["version"] if is_confirmed else None,
        )
        stored = None if is_first else await idempotency.find(conn, keyed.scope, keyed.key)
    context.settle_audit()
    return stored or answer


def answer_of(row: Row, context: RequestContext, name: CommandId) -> Answer:
    """The answer to a command: the booking after it, as its sender may see it."""
    body = representation.row_as_json(row, context.caller).decode()
    return Answer(name.digest, body, 200, {"ETag": etag_of(row["version"])})
