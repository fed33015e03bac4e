"""Writes: one transaction with its line in the audit log and the answer to the caller's key."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api import audit_trail
from api.deps import AppState, AppStateDep
from api.idempotency import KEY_DESCRIPTION, LONGEST_KEY, digest_of, plain_key
from api.request_context import RequestContext, context_of
from db.repositories import audit, event_emission, idempotency
from db.repositories.audit import Entry
from db.repositories.event_emission import BusinessEvent
from db.repositories.idempotency import Answer, Key
from domain.access import actor_managing

_KEPT_HEADERS = ("location", "etag", "content-type")


class AuditedWriter:
    """Makes the transaction of a request that writes; `audit_entry` gives its line of an outcome."""

    def __init__(self, app: AppState, context: RequestContext, audit_entry: Callable[[str], Entry]) -> None:
        self._app = app
        self._context = context
        self._audit_entry = audit_entry
        self._events: list[BusinessEvent] = []

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that commits the write together with its line in the audit log, or nothing."""
        async with self._app.engine.begin() as conn:
            yield conn
            await self._emit(conn)
            if self._context.needs_audit:
                await audit.add(conn, self._context.business_id, self._audit_entry("done"))
        self._context.settle_audit()  # by now: a line that could not be committed is none

    def set_object_id(self, object_id: object) -> None:
        """Name what was made for the audit log: the path cannot."""
        self._context.about(object_id=object_id)

    def announce(self, type_: str, subject: object, **data: object) -> None:
        """Write an event in this transaction: its type, what it is about, and further members of its data."""
        self._events.append(BusinessEvent(type_, str(subject), data))

    async def _emit(self, conn: AsyncConnection) -> None:
        business_id = self._context.business_id
        if not self._events or business_id is None:
            return
        events = [replace(event, data={"businessId": business_id, **event.data}) for event in self._events]
        actor = actor_managing(self._context.caller, business_id)
        await event_emission.emit(conn, business_id, events, actor=actor, correlation_id=self._context.request_id)


class Writer(AuditedWriter):
    """The same for a route."""

    def __init__(self, request: Request, app: AppStateDep) -> None:
        super().__init__(app, context_of(request), partial(audit_trail.entry_of, request))
        self._request = request


class OnceWriter(Writer):
    """The same for a `POST`: with an `Idempotency-Key` it is executed once, and answered alike ever after."""

    def __init__(
        self,
        request: Request,
        app: AppStateDep,
        idempotency_key: Annotated[
            str | None, Header(alias="Idempotency-Key", max_length=LONGEST_KEY, description=KEY_DESCRIPTION)
        ] = None,
    ) -> None:
        super().__init__(request, app)
        self._key = plain_key(idempotency_key)

    async def once(
        self, asked: BaseModel | None, make: Callable[[AsyncConnection], Awaitable[Response]]
    ) -> Response:
        """Make it and store the answer in the same transaction, or give the answer that is stored.

        An answer belongs to a business: the handler, or its route, has set which. Refusals are not stored.

        Raises:
            RequestInFlightError: another request with this key is under way.
            IdempotencyMismatchError: the key was used for something else.
        """
        if self._key is None:
            async with self.begin() as conn:
                return await make(conn)
        scope = f"{self._context.caller_name}/{self._request.scope['route'].operation_id}"
        key = Key(scope, self._key, digest_of(self._request.url.path, asked))
        async with self.begin() as conn:
            if (first := await idempotency.claim(conn, key)) is not None:
                self._context.settle_audit()  # the first request was audited
                return Response(first.response, first.status, first.headers)
            response = await make(conn)
            assert self._context.business_id is not None
            await idempotency.settle(conn, self._context.business_id, key, _answer_of(response))
            return response


def _answer_of(response: Response) -> Answer:
    kept = {name: value for name, value in response.headers.items() if name in _KEPT_HEADERS}
    return Answer(bytes(response.body).decode(), response.status_code, kept)


WriterDep = Annotated[Writer, Depends()]
OnceWriterDep = Annotated[OnceWriter, Depends()]
