"""The answers to a command that is sent again with the same `Idempotency-Key`.

The booking's workflow commits the effect, and the answer is stored afterwards. A crash in between loses the answer
but not the effect: the command's id is in the booking's history, and the next request recognises it.
"""

import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import orjson

from api.bookings import representation
from api.bookings.command_requests import CommandId, CommandRequest
from api.deps import AppState
from api.idempotency import claimed_key, first_answer
from api.preconditions import etag_of
from api.request_context import RequestContext
from db.engine import autocommit
from db.repositories import bookings, idempotency, unconfirmed
from db.repositories.audit import Entry
from db.repositories.idempotency import Answer, Key
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
class CommandAnswers:
    """The answers to one command. Without a key none is found, claimed or stored."""

    app: AppState
    context: RequestContext
    audit_entry: Callable[[str], Entry]
    request: CommandRequest
    command_id: CommandId

    async def find(self) -> Answer | None:
        """The answer that the command got before, or would have got but for a crash; none: it is to be executed.

        Raises:
            HoldfastError: as `_find_applied`.
        """
        if (key := self._key) is None:
            return None
        async with autocommit(self.app.engine) as conn:
            seen = await idempotency.look_up(conn, key, self.request.booking_id, self.command_id.key)
        if seen.answer is not None:
            return self._repeated(seen.answer)
        return await self._find_applied(key) if seen.is_applied else None

    def claimed(self, business_id: UUID) -> AbstractAsyncContextManager[str | None]:
        """Claim the key while the command is executed; yields the claim's token.

        Raises:
            RequestInFlightError: as `api.idempotency.claimed_key`.
        """
        if (key := self._key) is None:
            return nullcontext()
        lasts = timedelta(seconds=self.app.settings.command_timeout_seconds)
        return claimed_key(self.app.engine, business_id, key, lasts)

    async def settle(self, after: Row) -> Answer:
        """Store the answer, and note that the booking's workflow knows the booking at this version."""
        if (key := self._key) is not None:
            return await self._store(key, after, confirmed_version=after["version"])
        # A version that is not noted is looked into later.
        with contextlib.suppress(Exception):
            async with autocommit(self.app.engine) as conn:
                await unconfirmed.confirm(conn, after["business_id"], after["id"], after["version"])
        return self._answer(after)

    async def find_after_refusal(self, refused: HoldfastError) -> Answer | None:
        """The answer to a command that is refused now; none: it never had any.

        A booking that this very command has just changed refuses it when it is sent again, and a key that another
        request holds may have its answer by now.

        Raises:
            HoldfastError: as `_find_applied`.
        """
        if (key := self._key) is None:
            return None
        if isinstance(refused, RequestInFlightError):
            answer = await first_answer(self.app.engine, key)
            if answer is not None:
                return self._repeated(answer)
        return await self._find_applied(key)

    @property
    def _key(self) -> Key | None:
        return self.request.idempotency_key(self.context.caller_name, self.command_id)

    async def _find_applied(self, key: Key) -> Answer | None:
        """The answer to a command that the booking's history has; it is stored now.

        It is unknown whether the booking's workflow knows the step, so it gets the signal to catch up.

        Raises:
            IdempotencyMismatchError: the key was used for this command with other particulars.
            HiddenError: its sender has nothing to do with the business any more.
        """
        async with autocommit(self.app.engine) as conn:
            row = await bookings.find_applied(conn, self.request.booking_id, self.command_id.key)
        if row is None:
            return None
        if row["command_id"] != str(self.command_id):
            raise IdempotencyMismatchError
        if not is_party_to(self.context.caller, row["id"], row["business_id"], row["customer_user_id"]):
            self.context.about(row["business_id"])
            raise HiddenError
        with contextlib.suppress(EngineUnavailableError):  # the worker's recovery signals it later
            await self.app.gateway.catch_up(row["id"], by="resend")
        return await self._store(key, row, confirmed_version=None)

    async def _store(self, key: Key, row: Row, *, confirmed_version: int | None) -> Answer:
        """Store the answer, and give what is stored: another request may have been quicker, and is audited."""
        context, business_id, booking_id = self.context, row["business_id"], row["id"]
        context.about(business_id, booking_id)
        answer, line = self._answer(row), self.audit_entry("done")
        async with autocommit(self.app.engine) as conn:
            is_first = await idempotency.settle_row(
                conn, business_id, key, answer, line, booking_id=booking_id, confirmed_version=confirmed_version
            )
            stored = None if is_first else await idempotency.find(conn, key)
        context.settle_audit()
        return stored or answer

    def _repeated(self, answer: Answer) -> Answer:
        """Nothing is done by it, so there is nothing to audit."""
        context = self.context
        context.about(UUID(orjson.loads(answer.response)["business_id"]), self.request.booking_id)
        context.settle_audit()
        return answer

    def _answer(self, row: Row) -> Answer:
        """The booking after the command, as its sender may see it."""
        body = representation.row_as_json(row, self.context.caller).decode()
        return Answer(body, 200, {"ETag": etag_of(row["version"])})
