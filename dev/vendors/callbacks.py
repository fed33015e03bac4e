"""Calls of simulated vendors to whoever is to be told: in the background, tried again, and badly when told to."""

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


class Manner(StrEnum):
    """How calls to one account are made."""

    ONCE = "once"
    TWICE = "twice"
    """Each is made again, right after."""
    REVERSED = "reversed"
    """Kept back until somebody says `release`, and made in the opposite order."""
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the body as it is signed, to the byte."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(slots=True)
class _Line:
    manner: Manner | None = None
    """None: as to everybody."""
    kept: list[Call] = field(default_factory=list)
    last: asyncio.Task[None] | None = None


class Callbacks:
    """Makes calls; those of one account one after the other, as they were asked for."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = defaultdict(_Line)
        self.manner = Manner.ONCE
        """To every account that was told nothing else."""
        self.statuses: list[int] = []
        """How the calls were answered; 0: not at all."""

    def behave(self, account: str, manner: Manner) -> None:
        """Make this account's calls so from now on."""
        self._lines[account].manner = manner

    def behave_to_all(self, manner: Manner) -> None:
        """Make all accounts' calls so from now on; what was kept back is made."""
        self.manner = manner
        for account, line in self._lines.items():
            line.manner = None
            self.release(account)

    def make(self, account: str, call: Call) -> None:
        """Have a call made soon."""
        line = self._lines[account]
        match line.manner or self.manner:
            case Manner.NEVER:
                return
            case Manner.REVERSED:
                line.kept.append(call)
            case Manner.TWICE:
                self._queue(line, call)
                self._queue(line, call)
            case Manner.ONCE:
                self._queue(line, call)

    def release(self, account: str) -> None:
        """Make the calls that were kept back, the last first."""
        line = self._lines[account]
        while line.kept:
            self._queue(line, line.kept.pop())

    async def made(self, account: str) -> None:
        """Wait until every call that is not kept back has been made."""
        line = self._lines[account]
        while line.last is not None and not line.last.done():
            await line.last

    def _queue(self, line: _Line, call: Call) -> None:
        line.last = asyncio.create_task(self._after(line.last, call))

    async def _after(self, before: asyncio.Task[None] | None, call: Call) -> None:
        if before is not None:
            await before
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
            self.statuses.append(await _deliver(client, call))


async def _deliver(client: httpx.AsyncClient, call: Call) -> int:
    """The status of the first answer that is a success, else of the last."""
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
