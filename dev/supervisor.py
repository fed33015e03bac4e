"""Keeps services running: restarts a service that dies, until it fails too often."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from dev.errors import DevError, ProcessDiedError
from dev.service import Service, describe_exit, died

_FROM_OUTSIDE: Final = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
"""Signals that come from outside; the others (SIGSEGV, SIGABRT …) are caused by the program itself."""


@dataclass(frozen=True, slots=True)
class ProcessExit:
    """One exit of a service, or one failed start."""

    at: float
    """Time on the event loop's clock, in seconds."""
    lifetime_seconds: float
    """Seconds since it was ready; 0 if it was never ready."""
    killed: bool
    """Whether a signal from outside ended it, which does not mean that it cannot start."""


@dataclass(slots=True)
class RestartPolicy:
    """Decides the delay before the next start, and when to give up."""

    first_delay_seconds: float = 0.2
    rapid_seconds: float = 1.0
    """A service that runs longer than this after it was ready is considered working."""
    rapid_exits_allowed: int = 6
    memory_seconds: float = 600.0
    """Older exits do not count. Six starts that each time out after a minute fit into it."""
    _exits: list[float] = field(default_factory=list)

    def delay_after(self, death: ProcessExit) -> float | None:
        """The seconds to wait before the next start; None: give up.

        The first restart is immediate. The delay doubles with each further rapid exit; kills do not increase it.
        """
        worked = death.lifetime_seconds >= self.rapid_seconds
        self._exits = [at for at in self._exits if not worked and death.at - at < self.memory_seconds]
        if death.killed:
            return 0.0 if worked else self.first_delay_seconds
        self._exits.append(death.at)
        return self._delay_after_exits(len(self._exits))

    def _delay_after_exits(self, count: int) -> float | None:
        if count > self.rapid_exits_allowed:
            return None
        return 0.0 if count == 1 else self.first_delay_seconds * 2.0 ** (count - 2)


class Supervisor:
    """Watches every service that it started, until `stop`.

    `failed` completes with the error when a service is given up.
    """

    def __init__(
        self,
        *,
        restart: bool,
        report: Callable[[str], None],
        policy: Callable[[], RestartPolicy] = RestartPolicy,
    ) -> None:
        self.failed: asyncio.Future[DevError] = asyncio.get_running_loop().create_future()
        self._restart = restart
        self._report = report
        self._new_restart_policy = policy
        self._watches: dict[str, asyncio.Task[None]] = {}

    async def start(self, service: Service) -> None:
        """Start a service and watch it.

        Raises:
            DevError: it does not start.
        """
        await service.start()
        self._watches[service.name] = asyncio.create_task(self._watch(service))

    async def stop(self, service: Service) -> None:
        """Stop a service without restarting it; also during a restart."""
        if watch := self._watches.pop(service.name, None):
            watch.cancel()
            await asyncio.wait({watch})
        await service.stop()

    async def stop_watching(self) -> None:
        """Stop restarting services, before all of them are stopped."""
        watches = [self._watches.pop(name) for name in list(self._watches)]
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)

    async def _watch(self, service: Service) -> None:
        try:
            await self._keep_running(service)
        except DevError as error:
            self._fail(error)
        except Exception as error:  # a bug: stop the stack instead of leaving the service unwatched
            self._fail(DevError(f"{service.name} cannot be restarted: {type(error).__name__}: {error}"))

    def _fail(self, error: DevError) -> None:
        if not self.failed.done():
            self.failed.set_result(error)

    async def _keep_running(self, service: Service) -> None:
        policy = self._new_restart_policy()
        ready_at = _now()
        while True:
            code = await service.process.wait()
            self._report(f"{service.name} ended with {describe_exit(code)}")
            if not self._restart:
                return
            await self._restart_until_ready(service, policy, _now() - ready_at, died(service.process, code))
            ready_at = _now()

    async def _restart_until_ready(
        self, service: Service, policy: RestartPolicy, lifetime: float, error: DevError
    ) -> None:
        while (pause := policy.delay_after(ProcessExit(_now(), lifetime, _was_killed(error)))) is not None:
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
