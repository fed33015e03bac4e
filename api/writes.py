"""Changing something: one transaction, with its line in the audit log and the answer to a caller's key."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api import audit_trail
from api.deps import AppStateDep
from api.idempotency import KEY_DESCRIPTION, digest_of, plain_key
from api.request_context import context_of
from db.repositories import idempotency
from db.repositories.idempotency import Answer
from domain.errors import IdempotencyMismatchError, RequestInFlightError

_KEPT_HEADERS = ("location", "etag", "content-type")


class Writer:
    """How a handler writes."""

    def __init__(self, request: Request, app: AppStateDep) -> None:
        self._request = request
        self._app = app
        self._context = context_of(request)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that is committed together with its line in the audit log, or not at all."""
        async with self._app.engine.begin() as conn:
            yield conn
            if self._context.needs_audit:
                await audit_trail.note_done(conn, self._request)
        self._context.settle_audit()  # by now: a line that could not be committed is none

    def concerns(self, object_id: object) -> None:
        """Name what was made: the path cannot."""
        self._context.about(object_id=object_id)


class OnceWriter(Writer):
    """The same for a `POST`: with an `Idempotency-Key` it is carried out once, and answered alike ever after."""

    def __init__(
        self,
        request: Request,
        app: AppStateDep,
        idempotency_key: Annotated[
            str | None, Header(alias="Idempotency-Key", max_length=255, description=KEY_DESCRIPTION)
        ] = None,
    ) -> None:
        super().__init__(request, app)
        self._key = plain_key(idempotency_key)

    async def once(
        self, asked: BaseModel | None, make: Callable[[AsyncConnection], Awaitable[Response]]
    ) -> Response:
        """Make it and remember the answer in the same transaction, or give the answer that was remembered.

        An answer belongs to a business: the handler, or its route, has set which. Refusals are not remembered.

        Raises:
            RequestInFlightError: the same key is being carried out at this moment.
            IdempotencyMismatchError: the key was used for something else.
        """
        if self._key is None:
            async with self.begin() as conn:
                return await make(conn)
        scope = f"{self._context.caller_name}/{self._request.scope['route'].operation_id}"
        hashed = digest_of(self._request.url.path, asked)
        async with self.begin() as conn:
            if not await idempotency.take_turn(conn, scope, self._key):
                raise RequestInFlightError
            first = await idempotency.find(conn, scope, self._key)
            if first is not None:
                self._context.settle_audit()  # the first request was audited
                return _replayed(first, hashed)
            response = await make(conn)
            await self._remember(conn, scope, hashed, response)
            return response

    async def _remember(self, conn: AsyncConnection, scope: str, hashed: str, response: Response) -> None:
        assert self._context.business_id is not None
        assert self._key is not None
        kept = {name: value for name, value in response.headers.items() if name in _KEPT_HEADERS}
        answer = Answer(hashed, bytes(response.body).decode(), response.status_code, kept)
        await idempotency.store(conn, self._context.business_id, scope, self._key, answer)


def _replayed(answer: Answer, hashed: str) -> Response:
    if answer.request_hash != hashed:
        raise IdempotencyMismatchError
    return Response(answer.response, answer.status, answer.headers)


Writing = Annotated[Writer, Depends()]
WritingOnce = Annotated[OnceWriter, Depends()]
