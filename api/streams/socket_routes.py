"""`/v1/ws`: events over a WebSocket, for pages and programs that follow several things at once."""

import asyncio
from contextlib import ExitStack
from typing import Final

import structlog
from fastapi import APIRouter, WebSocket
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocketDisconnect

from api.deps import AppState
from api.errors import Problem, answer, problem_of, where_in
from api.request_context import RequestContext, context_of
from api.streams.socket_login import Identity, identify, require_address
from api.streams.socket_messages import Authenticate, Error, read_first_message
from api.streams.socket_session import SocketSession, authenticated
from api.streams.stream import Ending
from api.streams.wire import CloseCode, ClosingError, Wire
from db.engine import is_outage
from domain.errors import Category, ForbiddenError, HoldfastError
from runtime.metrics import STREAM_ENDS, STREAMS_OPEN

_log = structlog.get_logger()

AUTHENTICATE_SECONDS: Final = 5.0
_PATH: Final = "/v1/ws"

router = APIRouter(tags=["events"])


async def _open_a_websocket(request: Request) -> Response:
    raise HTTPException(426, "Open a WebSocket here.", {"Upgrade": "websocket", "Connection": "Upgrade"})


router.add_route(_PATH, _open_a_websocket, include_in_schema=False)


@router.websocket(_PATH)
async def converse(websocket: WebSocket) -> None:
    """Let a client authenticate and subscribe, until an end."""
    app: AppState = websocket.app.state.holdfast
    context = context_of(websocket)
    try:
        origin = await _foreign_origin(app, websocket)
        require_address(app, context.address)
    except HoldfastError as error:
        await websocket.send_denial_response(answer(websocket, error))
        return
    await websocket.accept()
    settings = app.settings
    wire = Wire(
        websocket,
        send_seconds=settings.stream_send_seconds,
        messages_per_minute=settings.websocket_messages_per_minute,
    )
    with STREAMS_OPEN.labels("websocket").track_inprogress():
        await _Conversation(app, context, wire, origin).hold()


class _Conversation:
    """What is done with one connection, from its opening to its close frame."""

    def __init__(self, app: AppState, context: RequestContext, wire: Wire, origin: str | None) -> None:
        self._app = app
        self._context = context
        self._wire = wire
        self._origin = origin
        self._session: SocketSession | None = None

    async def hold(self) -> None:
        """Converse, and close for a reason unless the client has gone."""
        try:
            await self._converse()
        except ClosingError as closing:
            await self._close(closing)
        except WebSocketDisconnect:
            STREAM_ENDS.labels("websocket", "client").inc()
        except Exception as error:
            await self._close(_failure(error))

    async def _close(self, closing: ClosingError) -> None:
        STREAM_ENDS.labels("websocket", closing.reason).inc()
        told = self._session.endings(closing.ending) if self._session and closing.ending else []
        await self._wire.close(closing, told)

    async def _converse(self) -> None:
        with ExitStack() as places:
            try:
                places.enter_context(self._app.open_streams.of_address(self._context.address))
                message = await self._first_message()
                identity = await identify(self._app, self._context, message)
                places.enter_context(self._app.open_streams.of_caller(_name(identity)))
            except HoldfastError as error:
                await self._refuse(error)
                raise _refusal(error) from None
            self._context.caller = identity.caller
            self._session = SocketSession(self._app, self._context, self._wire, identity, self._origin)
            await self._wire.send(authenticated(identity, message.id))
            await self._session.run()

    async def _first_message(self) -> Authenticate:
        try:
            async with asyncio.timeout(AUTHENTICATE_SECONDS):
                text = await self._wire.receive()
        except TimeoutError:
            raise ClosingError(CloseCode.UNAUTHENTICATED, "authentication_timeout") from None
        return read_first_message(text)

    async def _refuse(self, error: HoldfastError) -> None:
        problem = Problem.model_validate(problem_of(error, self._context.request_id))
        await self._wire.send(Error(problem=problem))


def _refusal(error: HoldfastError) -> ClosingError:
    is_throttled = error.category is Category.THROTTLED
    return ClosingError(CloseCode.TOO_MANY if is_throttled else CloseCode.UNAUTHENTICATED, error.code)


def _failure(error: Exception) -> ClosingError:
    """What an unexpected error means to the client; its message stays here, because it may quote personal data."""
    if isinstance(error, ExceptionGroup):
        return _failure(error.exceptions[0])
    if is_outage(error):
        _log.warning("database_unavailable", error=type(error).__name__)
        return ClosingError(CloseCode.TRY_AGAIN, "database_unavailable", Ending.INTERRUPTED)
    _log.error("unexpected_error", error=type(error).__name__, where=where_in(error))
    return ClosingError(CloseCode.INTERNAL, "internal_error", Ending.INTERRUPTED)


def _name(identity: Identity) -> str:
    return f"{identity.caller.kind}:{identity.caller.id}"


async def _foreign_origin(app: AppState, websocket: WebSocket) -> str | None:
    """The origin of somebody else's page; none: it is no page, or one of our own.

    Raises:
        ForbiddenError: no business allows pages of this origin.
    """
    origin = websocket.headers.get("Origin")
    own = (app.settings.public_url.rstrip("/"), *app.settings.own_origins)
    if origin is None or origin in own or origin.partition("://")[2] == websocket.headers.get("Host"):
        return None
    if not await app.origins.allows(origin, None):
        raise ForbiddenError("Pages of this origin may not call.")
    return origin
