"""How a simulated vendor misbehaves when it is told to, in front of whatever it would have answered."""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ANYBODY = "*"


class FaultMode(StrEnum):
    WELL = "well"
    RATE_LIMITED = "rate_limited"
    """429 with `Retry-After: seconds`."""
    FAILING = "failing"
    """With that `status`, and nothing is done."""
    SLOW = "slow"
    """After `seconds`."""
    HANG = "hang"
    """Not at all, until the caller goes or the mood changes; nothing is done."""
    REPLY_LOST = "reply_lost"
    """It does what it is asked, and the connection breaks before the answer."""


class Behaviour(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mood: FaultMode = FaultMode.WELL
    times: int | None = Field(default=None, ge=1)
    """How many requests meet it; none: all, until told otherwise."""
    seconds: float = Field(default=1.0, ge=0)
    status: int = Field(default=500, ge=400, le=599)


class FaultModes:
    """The behaviour of one vendor, to everybody or to one account."""

    def __init__(self) -> None:
        self._behaviours: dict[str, Behaviour] = {}
        self._changed = asyncio.Event()
        self.waiting = 0
        """Requests that hang at this moment."""

    def set(self, behaviour: Behaviour, account: str = ANYBODY) -> None:
        """Behave so from now on; what hangs is let go."""
        self._behaviours[account] = behaviour.model_copy()
        self._changed.set()
        self._changed = asyncio.Event()

    def behaviour(self, account: str = ANYBODY) -> Behaviour:
        """How the account would be answered now."""
        return self._behaviours.get(account, Behaviour())

    def take(self, account: str) -> Behaviour:
        """The behaviour that the next request of the account meets."""
        for name in (account, ANYBODY):
            found = self._behaviours.get(name)
            if found is None:
                continue
            if found.times is not None:
                found.times -= 1
                if found.times == 0:
                    del self._behaviours[name]
            return found
        return Behaviour()

    async def hang(self, gone: asyncio.Event) -> None:
        """Wait until the mood changes or the caller has gone."""
        self.waiting += 1
        waits = [asyncio.ensure_future(event.wait()) for event in (self._changed, gone)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.waiting -= 1
            for wait in waits:
                wait.cancel()


class Moody:
    """ASGI middleware: a vendor with its moods in front of it."""

    def __init__(self, app: ASGIApp, moods: FaultModes, account_of: Callable[[Scope], str]) -> None:
        self._app = app
        self._moods = moods
        self._account_of = account_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        behaviour = self._moods.take(self._account_of(scope))
        match behaviour.mood:
            case FaultMode.RATE_LIMITED:
                return await _answer(send, 429, {"retry-after": str(behaviour.seconds)})
            case FaultMode.FAILING:
                return await _answer(send, behaviour.status, {})
            case FaultMode.SLOW:
                await asyncio.sleep(behaviour.seconds)
            case FaultMode.HANG:
                return await self._hang(receive, send)
            case FaultMode.REPLY_LOST:
                return await self._lose(scope, receive, send)
        return await self._app(scope, receive, send)

    async def _hang(self, receive: Receive, send: Send) -> None:
        gone = asyncio.Event()

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            gone.set()

        watching = asyncio.create_task(watch())
        try:
            await self._moods.hang(gone)
        finally:
            watching.cancel()
        if not gone.is_set():
            await _answer(send, 503, {})

    async def _lose(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def swallow(_message: Message) -> None:
            pass

        await self._app(scope, receive, swallow)
        # Less than what is promised: the server notices, and closes the connection.
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"64")]})
        await send({"type": "http.response.body", "body": b"{", "more_body": False})


async def _answer(send: Send, status: int, headers: dict[str, Any]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": [*raw, (b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
