"""Keeps services running: one that dies is started again, until that is hopeless."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from dev.errors import DevError, ProcessDiedError
from dev.readiness import describe_exit, died
from dev.service import Service

_FROM_OUTSIDE: Final = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
"""Signals that somebody else sends; a program brings the others (SIGSEGV, SIGABRT …) upon itself."""


@dataclass(frozen=True, slots=True)
class Death:
    """One end of a service, or one start that failed."""

    at: float
    """Seconds on the event loop's clock."""
    lifetime_seconds: float
    """Counted from readiness; 0 for a service that was never ready."""
    killed: bool
    """Whether a signal from outside ended it: that is no proof that it cannot start."""


@dataclass(slots=True)
class Patience:
    """Decides how long to wait before the next start, and when to give up."""

    first_pause_seconds: float = 0.2
    rapid_seconds: float = 1.0
    """A service that lives longer after it became ready has shown that it works."""
    rapid_exits_allowed: int = 6
    memory_seconds: float = 600.0
    """Older exits do not count. Six starts that each wait a minute for readiness in vain fit into it."""
    _exits: list[float] = field(default_factory=list)

    def pause_after(self, death: Death) -> float | None:
        """Return the seconds to wait before the next start; None: give up.

        The first start is at once. The pause doubles with each further rapid exit; kills leave it short.
        """
        worked = death.lifetime_seconds >= self.rapid_seconds
        self._exits = [at for at in self._exits if not worked and death.at - at < self.memory_seconds]
        if death.killed:
            return 0.0 if worked else self.first_pause_seconds
        self._exits.append(death.at)
        return self._pause_after_exits(len(self._exits))

    def _pause_after_exits(self, count: int) -> float | None:
        if count > self.rapid_exits_allowed:
            return None
        return 0.0 if count == 1 else self.first_pause_seconds * 2.0 ** (count - 2)


class Supervisor:
    """Watches every service it started until it is told to stop it.

    `failed` completes with the error once a service is given up.
    """

    def __init__(
        self,
        *,
        restart: bool,
        report: Callable[[str], None],
        patience: Callable[[], Patience] = Patience,
    ) -> None:
        self.failed: asyncio.Future[DevError] = asyncio.get_running_loop().create_future()
        self._restart = restart
        self._report = report
        self._new_patience = patience
        self._watches: dict[str, asyncio.Task[None]] = {}

    async def start(self, service: Service) -> None:
        """Start a service and watch it from then on.

        Raises:
            DevError: it does not start.
        """
        await service.start()
        self._watches[service.name] = asyncio.create_task(self._watch(service))

    async def stop(self, service: Service) -> None:
        """Stop a service for good; also one that is just being started again."""
        if watch := self._watches.pop(service.name, None):
            watch.cancel()
            await asyncio.wait({watch})
        await service.stop()

    async def stop_watching(self) -> None:
        """Restart nothing any more: everything is about to be stopped."""
        watches = [self._watches.pop(name) for name in list(self._watches)]
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)

    async def _watch(self, service: Service) -> None:
        try:
            await self._keep_running(service)
        except DevError as error:
            self._fail(error)
        except Exception as error:  # a bug: better no stack than one that nobody watches
            self._fail(DevError(f"{service.name} cannot be restarted: {type(error).__name__}: {error}"))

    def _fail(self, error: DevError) -> None:
        if not self.failed.done():
            self.failed.set_result(error)

    async def _keep_running(self, service: Service) -> None:
        patience = self._new_patience()
        ready_at = _now()
        while True:
            code = await service.process.wait()
            self._report(f"{service.name} ended with {describe_exit(code)}")
            if not self._restart:
                return
            await self._revive(service, patience, _now() - ready_at, died(service.process, code))
            ready_at = _now()

    async def _revive(self, service: Service, patience: Patience, lifetime: float, error: DevError) -> None:
        while (pause := patience.pause_after(Death(_now(), lifetime, _was_killed(error)))) is not None:
            await asyncio.sleep(pause)
            try:
                await service.start()
            except DevError as again:
                error, lifetime = again, 0.0
                self._report(str(again))
            else:
                return self._report(f"{service.name} restarted (pid {service.process.pid})")
        raise DevError(f"{service.name} dies again and again, giving up: {error}", detail=error.detail)


def _was_killed(error: DevError) -> bool:
    return isinstance(error, ProcessDiedError) and -error.exit_code in _FROM_OUTSIDE


def _now() -> float:
    return asyncio.get_running_loop().time()
