"""A conversation over one WebSocket: who the client is, and what they have subscribed to."""

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, assert_never
from uuid import UUID

from pydantic import BaseModel
from starlette.websockets import WebSocketDisconnect

from api import audit_trail
from api.deps import AppState
from api.errors import Problem, problem_of
from api.request_context import RequestContext
from api.streams.opening import find_subject, open_stream
from api.streams.rights import AllOfMine, Subject, WatchedCaller
from api.streams.socket_login import Identity, identify
from api.streams.socket_messages import (
    Authenticate,
    Authenticated,
    ClientMessage,
    Error,
    Ping,
    Pong,
    Subscribe,
    UnreadableMessageError,
    Unsubscribe,
    Unsubscribed,
    read_message,
)
from api.streams.stream import Ending, EventStream
from api.streams.subscription import Subscription
from api.streams.wire import CloseCode, ClosingError, Wire
from domain.errors import (
    ForbiddenError,
    HoldfastError,
    InvalidRequestError,
    NotFoundError,
    TooManyStreamsError,
)

MOST_SUBSCRIPTIONS: Final = 100
_LONGEST_WAIT: Final = 3600.0


class SocketSession:
    """An authenticated client's messages, and the answers to them."""

    def __init__(
        self, app: AppState, context: RequestContext, wire: Wire, identity: Identity, origin: str | None
    ) -> None:
        self._app = app
        self._context = context
        self._wire = wire
        self._origin = origin
        """Of the page, unless the page is our own; none: any business may be heard."""
        self._ends_at = identity.ends_at
        self._login = WatchedCaller(identity.caller)
        self._subscriptions: dict[str, tuple[Subscription, asyncio.Task[None]]] = {}
        self._has_changed = asyncio.Event()

    async def run(self) -> None:
        """Converse until an end.

        Raises:
            ClosingError: it is ours to close.
            WebSocketDisconnect: the client is gone.
        """
        ending: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch())
                tasks.create_task(self._read(tasks))
        except* (ClosingError, WebSocketDisconnect) as group:
            ending = group.exceptions[0]  # others followed from it
        assert ending is not None
        raise ending

    def endings(self, reason: Ending) -> list[BaseModel]:
        """What the client is told of the subscriptions that are left."""
        return [subscription.ended(reason) for subscription, _ in self._subscriptions.values()]

    # --- the end of the login -----------------------------------------------------------------------------

    async def _watch(self) -> None:
        wake = self._has_changed.set
        with self._app.stream_rights.watch(self._login, wake), self._app.hub.calling_at_close(wake):
            while True:
                left = self._require_time()
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._has_changed.wait()
                self._has_changed.clear()

    def _require_time(self) -> float:
        """Seconds until the next look."""
        if self._app.hub.is_closing:
            raise ClosingError(CloseCode.RESTARTING, "restarting", Ending.RESTARTING)
        if self._login.has_ended:
            raise ClosingError(CloseCode.UNAUTHENTICATED, "rights_ended", Ending.RIGHTS_ENDED)
        left = _LONGEST_WAIT if self._ends_at is None else self._ends_at - time.time()
        if left <= 0:
            raise ClosingError(CloseCode.UNAUTHENTICATED, "token_expired", Ending.TOKEN_EXPIRED)
        return min(left, _LONGEST_WAIT)

    # --- messages -----------------------------------------------------------------------------------------

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            text = await self._wire.receive()
            try:
                message = read_message(text)
            except UnreadableMessageError as error:
                await self._refuse(error.message_id, error)
                continue
            try:
                await self._carry_out(message, tasks)
            except HoldfastError as error:
                await self._refuse(message.id, error)

    async def _refuse(self, message_id: str | None, error: HoldfastError) -> None:
        problem = Problem.model_validate(problem_of(error, self._context.request_id))
        await self._wire.send(Error(id=message_id, problem=problem))

    async def _carry_out(self, message: ClientMessage, tasks: asyncio.TaskGroup) -> None:
        match message:
            case Ping():
                await self._wire.send(Pong(id=message.id))
            case Subscribe():
                await self._subscribe(message, tasks)
            case Unsubscribe():
                await self._unsubscribe(message.id)
            case Authenticate():
                await self._authenticate_again(message)
            case _:
                assert_never(message)

    async def _authenticate_again(self, message: Authenticate) -> None:
        identity = await identify(self._app, self._context, message)
        known = self._login.caller
        if (identity.caller.kind, identity.caller.id) != (known.kind, known.id):
            raise ForbiddenError("This connection is another caller's. Open one for each.")
        self._ends_at = identity.ends_at
        self._context.caller = identity.caller
        self._login.replace(identity.caller)
        for subscription, _ in self._subscriptions.values():
            subscription.replace_caller(identity.caller)
        self._has_changed.set()
        await self._wire.send(authenticated(identity, message.id))

    # --- subscriptions ------------------------------------------------------------------------------------

    async def _subscribe(self, message: Subscribe, tasks: asyncio.TaskGroup) -> None:
        if message.id in self._subscriptions:
            raise InvalidRequestError(f"There is a subscription '{message.id}' already. Choose another id.")
        if len(self._subscriptions) >= MOST_SUBSCRIPTIONS:
            raise TooManyStreamsError(f"A connection may have {MOST_SUBSCRIPTIONS} subscriptions. End some first.")
        stream = await self._open(message)
        subscription = Subscription(message.id, stream, self._app.cursors, self._wire)
        self._subscriptions[message.id] = subscription, tasks.create_task(self._keep(subscription))

    async def _keep(self, subscription: Subscription) -> None:
        """Run it, and forget it when it has ended while the connection goes on."""
        await subscription.run()
        del self._subscriptions[subscription.id]

    async def _unsubscribe(self, subscription_id: str) -> None:
        if subscription_id not in self._subscriptions:
            raise NotFoundError(f"There is no subscription '{subscription_id}'.")
        subscription, task = self._subscriptions.pop(subscription_id)
        task.cancel()
        await asyncio.wait({task})
        await self._wire.send(Unsubscribed(id=subscription_id, resume=subscription.resume))

    async def _open(self, message: Subscribe) -> EventStream:
        caller = self._login.caller
        context = RequestContext(self._context.request_id, self._context.address, caller)
        try:
            subject = await find_subject(self._app, context, message.business, message.booking)
            await self._require_origin(subject)
            return await open_stream(self._app, caller, subject, message.after, message.types)
        except HoldfastError as error:
            if error.is_denial:
                await audit_trail.note_denied_in_socket(self._app, context, "subscribe", error)
            raise

    async def _require_origin(self, subject: Subject) -> None:
        """A page may hear a business that allows its origin: the same rule as for reading an answer."""
        if self._origin is None:
            return
        business: UUID | str = "" if isinstance(subject, AllOfMine) else subject.business_id
        if not await self._app.origins.allows(self._origin, str(business)):
            raise ForbiddenError("The business does not allow pages of this origin.")


def authenticated(identity: Identity, message_id: str | None) -> Authenticated:
    """The answer to who has proved who they are."""
    ends_at = None if identity.ends_at is None else datetime.fromtimestamp(identity.ends_at, UTC)
    return Authenticated(id=message_id, caller=identity.caller.kind, expires_at=ends_at)
