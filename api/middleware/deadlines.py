"""Request timeouts: until the answer begins, the arrival of the body included."""

import asyncio

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import answer
from domain.errors import TimedOutError

RETRY_AFTER_SECONDS = 5


class Deadline:
    """Aborts a request after so many seconds: 503 `timed_out`."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Time one HTTP request; other scopes pass."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        timer = asyncio.timeout(self._seconds)

        async def sending(message: Message) -> None:
            if timer.expired():
                return  # too late: the answer is the 503
            if message["type"] == "http.response.start":
                timer.reschedule(None)
            await send(message)

        try:
            async with timer:
                scope["state"]["timer"] = timer
                await self._app(scope, receive, sending)
        except Exception:
            # An aborted request may end in any error, such as one of its closed connection.
            if not timer.expired():
                raise
        if timer.expired():
            response = answer(Request(scope), TimedOutError(retry_after=RETRY_AFTER_SECONDS))
            response.headers["Connection"] = "close"  # the rest of its body may still arrive, byte by byte
            await response(scope, receive, send)
        return None


def allow_time(request: Request, seconds: float) -> None:
    """Allow this request so many seconds from now on."""
    timer: asyncio.Timeout | None = getattr(request.state, "timer", None)
    if timer is None or timer.expired() or timer.when() is None:
        return
    until = asyncio.get_running_loop().time() + seconds
    timer.reschedule(max(until, timer.when() or 0.0))
