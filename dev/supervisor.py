"""Keeps services running: one that dies is started again, until that is hopeless."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from dev.errors import DevError
from dev.readiness import describe_exit, died
from dev.service import Service


@dataclass(slots=True)
class Patience:
    """How long to wait before the next start, and when to give up."""

    first_pause_seconds: float = 0.2
    rapid_seconds: float = 1.0
    """A service that dies sooner after it became ready, or never became ready, died rapidly."""
    rapid_deaths_allowed: int = 5
    _rapid_deaths: int = 0

    def pause_after(self, lifetime_seconds: float) -> float | None:
        """Seconds to wait after a death; doubles with each rapid one in a row. None: give up."""
        self._rapid_deaths = self._rapid_deaths + 1 if lifetime_seconds < self.rapid_seconds else 1
        if self._rapid_deaths > self.rapid_deaths_allowed:
            return None
        return self.first_pause_seconds * 2.0 ** (self._rapid_deaths - 1)


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
            if not self.failed.done():
                self.failed.set_result(error)

    async def _keep_running(self, service: Service) -> None:
        patience = self._new_patience()
        started = _now()
        while True:
            code = await service.process.wait()
            self._report(f"{service.name} ended with {describe_exit(code)}")
            if not self._restart:
                return
            await self._revive(service, patience, _now() - started, died(service.process, code))
            started = _now()

    async def _revive(self, service: Service, patience: Patience, lifetime: float, error: DevError) -> None:
        while (pause := patience.pause_after(lifetime)) is not None:
            await asyncio.sleep(pause)
            try:
                await service.start()
            except DevError as again:
                error, lifetime = again, 0.0
                self._report(str(again))
            else:
                return self._report(f"{service.name} restarted (pid {service.process.pid})")
        raise DevError(f"{service.name} dies again and again, giving up: {error}", detail=error.detail)


def _now() -> float:
    return asyncio.get_running_loop().time()
