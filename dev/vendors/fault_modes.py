"""Faults of the simulated vendors, injected before a request reaches the vendor's API."""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALL_ACCOUNTS = "*"


class FaultMode(StrEnum):
    WELL = "well"
    RATE_LIMITED = "rate_limited"
    """429 with `Retry-After: seconds`."""
    FAILING = "failing"
    """Answers `status`; the request is not carried out."""
    SLOW = "slow"
    """Answers after `seconds`."""
    HANG = "hang"
    """No answer until the caller disconnects or the mode changes; the request is not carried out."""
    REPLY_LOST = "reply_lost"
    """The request is carried out, and the connection is closed before the answer."""


class Behaviour(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mode: FaultMode = FaultMode.WELL
    times: int | None = Field(default=None, ge=1)
    """The number of affected requests; None: all until the mode changes."""
    seconds: float = Field(default=1.0, ge=0)
    status: int = Field(default=500, ge=400, le=599)


class FaultModes:
    """The behaviour of one vendor, for all accounts or for single ones."""

    def __init__(self) -> None:
        self._behaviours: dict[str, Behaviour] = {}
        self._changed = asyncio.Event()
        self.waiting = 0
        """Requests that hang now."""

    def set(self, behaviour: Behaviour, account: str = ALL_ACCOUNTS) -> None:
        """Set the behaviour; hanging requests are answered."""
        self._behaviours[account] = behaviour.model_copy()
        self._changed.set()
        self._changed = asyncio.Event()

    def behaviour(self, account: str = ALL_ACCOUNTS) -> Behaviour:
        """The current behaviour for the account."""
        return self._behaviours.get(account, Behaviour())

    def take(self, account: str) -> Behaviour:
        """The behaviour for the next request of the account; counts the request."""
        for name in (account, ALL_ACCOUNTS):
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
        """Wait until the mode changes or the caller disconnects."""
        self.waiting += 1
        waits = [asyncio.ensure_future(event.wait()) for event in (self._changed, gone)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.waiting -= 1
            for wait in waits:
                wait.cancel()


class FaultInjector:
    """ASGI middleware that applies a vendor's fault modes."""

    def __init__(self, app: ASGIApp, fault_modes: FaultModes, account_of: Callable[[Scope], str]) -> None:
        self._app = app
        self._fault_modes = fault_modes
        self._account_of = account_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        behaviour = self._fault_modes.take(self._account_of(scope))
        match behaviour.mode:
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
            await self._fault_modes.hang(gone)
        finally:
            watching.cancel()
        if not gone.is_set():
            await _answer(send, 503, {})

    async def _lose(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def swallow(_message: Message) -> None:
            pass

        await self._app(scope, receive, swallow)
        # Less than the announced length: the server closes the connection.
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"64")]})
        await send({"type": "http.response.body", "body": b"{", "more_body": False})


async def _answer(send: Send, status: int, headers: dict[str, Any]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": [*raw, (b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
