"""Faults. `inject` causes a fault and returns when it is healed."""

import asyncio
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar, Final

import asyncpg
import httpx

from tests.chaos.deployment import TARGETS, Deployment

_ALL_VENDORS: Final = ("sendgrid", "stripe", "servicetitan", "webhook_receiver")


class Fault(ABC):
    """One fault."""

    @property
    @abstractmethod
    def name(self) -> str:
        """A short description."""

    @abstractmethod
    async def inject(self, deployment: Deployment) -> None:
        """Cause the fault, and undo it unless the stack heals itself."""


class Kill(Fault):
    """Kills services with SIGKILL at the same time; the supervisor restarts them."""

    def __init__(self, *targets: str) -> None:
        self._targets = targets

    @property
    def name(self) -> str:
        return f"kill {'+'.join(self._targets)}"

    async def inject(self, deployment: Deployment) -> None:
        pids = [pid for target in self._targets for pid in deployment.pids(target)]
        _signal(pids, signal.SIGKILL)


class Freeze(Fault):
    """Stops services with SIGSTOP for some seconds."""

    ends_with: ClassVar = signal.SIGCONT

    def __init__(self, *targets: str, seconds: float) -> None:
        self._targets = targets
        self._seconds = seconds

    @property
    def name(self) -> str:
        return f"stop {'+'.join(self._targets)} for {self._seconds:.0f} s"

    async def inject(self, deployment: Deployment) -> None:
        pids = [pid for target in self._targets for pid in deployment.pids(target)]
        _signal(pids, signal.SIGSTOP)
        try:
            await asyncio.sleep(self._seconds)
        finally:
            _signal(pids, self.ends_with)


class FreezeThenKill(Freeze):
    """Stops services with SIGSTOP, and kills them before they continue."""

    ends_with = signal.SIGKILL

    @property
    def name(self) -> str:
        return f"{super().name}, then kill"


class EndBackends(Fault):
    """Ends single database connections: through the server, or with SIGKILL, after which the server restarts."""

    def __init__(self, *, count: int = 3, kill: bool = False) -> None:
        self._count = count
        self._kill = kill

    @property
    def name(self) -> str:
        return "kill a backend" if self._kill else f"terminate {self._count} backends"

    async def inject(self, deployment: Deployment) -> None:
        with suppress(OSError, asyncpg.PostgresError, TimeoutError):
            pids = await deployment.backends(limit=1 if self._kill else self._count)
            if self._kill:
                return _signal(pids, signal.SIGKILL)
            connection = await deployment.as_superuser()
            try:
                await connection.execute("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid", pids)
            finally:
                await connection.close()


class FreezeBackends(Fault):
    """Stops single database connections with SIGSTOP for some seconds."""

    def __init__(self, *, seconds: float, count: int = 3) -> None:
        self._seconds = seconds
        self._count = count

    @property
    def name(self) -> str:
        return f"stop {self._count} backends for {self._seconds:.0f} s"

    async def inject(self, deployment: Deployment) -> None:
        pids: list[int] = []
        with suppress(OSError, asyncpg.PostgresError, TimeoutError):
            pids = await deployment.backends(limit=self._count)
        _signal(pids, signal.SIGSTOP)
        try:
            await asyncio.sleep(self._seconds)
        finally:
            _signal(pids, signal.SIGCONT)


class Restart(Fault):
    """Restarts services in order."""

    def __init__(self, *targets: str) -> None:
        self._targets = targets

    @property
    def name(self) -> str:
        return f"restart {'+'.join(self._targets)}"

    async def inject(self, deployment: Deployment) -> None:
        for target in reversed(self._targets):
            await deployment.stack.stop_process(target)
        for target in self._targets:
            await deployment.stack.start_process(target)


class VendorFault(Fault):
    """Sets a fault mode of the simulated vendors (see `dev.vendors.fault_modes`)."""

    def __init__(self, mode: str, *, seconds: float, vendors: Sequence[str] = _ALL_VENDORS) -> None:
        self._mode = mode
        self._seconds = seconds
        self._vendors = vendors

    @property
    def name(self) -> str:
        return f"vendors: {self._mode} for {self._seconds:.0f} s"

    async def inject(self, deployment: Deployment) -> None:
        await self._set(deployment, self._mode)
        try:
            await asyncio.sleep(self._seconds)
        finally:
            await self._set(deployment, "well")

    async def _set(self, deployment: Deployment, mode: str) -> None:
        async with httpx.AsyncClient(base_url=deployment.vendors_url, timeout=10, trust_env=False) as http:
            for vendor in self._vendors:
                answer = await http.put(f"/control/{vendor}/behaviour", json={"mode": mode})
                answer.raise_for_status()


class FillDisk(Fault):
    """Fills the file system of PostgreSQL's data for some seconds."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds

    @property
    def name(self) -> str:
        return f"disk full for {self._seconds:.0f} s"

    async def inject(self, deployment: Deployment) -> None:
        ballast = deployment.stack.home.path / "postgres" / "ballast"
        try:
            await asyncio.to_thread(_fill, ballast)
            await asyncio.sleep(self._seconds)
        finally:
            ballast.unlink(missing_ok=True)


def _fill(path: os.PathLike[str]) -> None:
    """Write until the disk is full."""
    with suppress(OSError), open(path, "wb", buffering=0) as ballast:
        for size in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while True:
                    ballast.write(b"\0" * size)


EVERYTHING: Final = TARGETS


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
