"""Callbacks of the simulated vendors: sent in the background, retried, on request duplicated or out of order."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import httpx

_ATTEMPTS: Final = 3
_PAUSE_SECONDS: Final = 0.2
_TIMEOUT_SECONDS: Final = 10.0


class CallbackMode(StrEnum):
    """How callbacks to an account are sent."""

    ONCE = "once"
    TWICE = "twice"
    """Each is sent a second time immediately."""
    REVERSED = "reversed"
    """Held back until `release`, then sent in reverse order."""
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Call:
    """One callback; the body is exactly what was signed."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(slots=True)
class _Queue:
    """The callbacks to one account."""

    mode: CallbackMode | None = None
    """None: the mode for all accounts."""
    held: list[Call] = field(default_factory=list)
    last: asyncio.Task[None] | None = None


class Callbacks:
    """Sends callbacks; those to one account are sent one after the other, in order."""

    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = defaultdict(_Queue)
        self.mode = CallbackMode.ONCE
        """For all accounts without their own mode."""
        self.statuses: list[int] = []
        """The status of each answer; 0: no answer."""

    def set_mode(self, account: str, mode: CallbackMode) -> None:
        """Set the mode of one account."""
        self._queues[account].mode = mode

    def set_mode_of_all(self, mode: CallbackMode) -> None:
        """Set the mode of all accounts, and send what was held back."""
        self.mode = mode
        for account, queue in self._queues.items():
            queue.mode = None
            self.release(account)

    def send(self, account: str, call: Call) -> None:
        """Send a callback in the background."""
        queue = self._queues[account]
        match queue.mode or self.mode:
            case CallbackMode.NEVER:
                return
            case CallbackMode.REVERSED:
                queue.held.append(call)
            case CallbackMode.TWICE:
                self._append(queue, call)
                self._append(queue, call)
            case CallbackMode.ONCE:
                self._append(queue, call)

    def release(self, account: str) -> None:
        """Send the callbacks that were held back, the last one first."""
        queue = self._queues[account]
        while queue.held:
            self._append(queue, queue.held.pop())

    async def until_sent(self, account: str) -> None:
        """Wait until every callback that is not held back has been sent."""
        queue = self._queues[account]
        while queue.last is not None and not queue.last.done():
            await queue.last

    def _append(self, queue: _Queue, call: Call) -> None:
        queue.last = asyncio.create_task(self._send_after(queue.last, call))

    async def _send_after(self, previous: asyncio.Task[None] | None, call: Call) -> None:
        if previous is not None:
            await previous
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
            self.statuses.append(await _deliver(client, call))


async def _deliver(client: httpx.AsyncClient, call: Call) -> int:
    """The status of the first successful answer, or of the last one."""
    status = 0
    for attempt in range(_ATTEMPTS):
        if attempt:
            await asyncio.sleep(_PAUSE_SECONDS)
        try:
            status = (await client.post(call.url, content=call.body, headers=dict(call.headers))).status_code
        except httpx.TransportError:
            status = 0
        if 200 <= status < 300:  # noqa: PLR2004
            break
    return status
