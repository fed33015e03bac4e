"""The additional processes of a cell: a second API and worker, a shifted clock, a small disk."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from tests.chaos.cells import Topology
from tests.chaos.clock import clock_environment
from tests.chaos.deployment import Deployment, running_deployment
from tests.chaos.disk import can_mount

_HOUR: Final = 3600


class NotPossibleError(Exception):
    """This machine cannot run the cell; the text names the reason."""


@asynccontextmanager
async def deployment_for(topology: Topology, shared: Deployment | None) -> AsyncIterator[Deployment]:
    """The deployment for a cell with this topology.

    Raises:
        NotPossibleError: this machine cannot run it.
    """
    async with AsyncExitStack() as resources:
        if topology is Topology.SMALL_DISK:
            if not can_mount():
                raise NotPossibleError("mounting a small file system needs Linux and root")
            yield await resources.enter_async_context(running_deployment(on_small_disk=True))
            return
        deployment = shared if shared is not None else await resources.enter_async_context(running_deployment())
        await resources.enter_async_context(_with_extra_processes(deployment, topology))
        yield deployment


@asynccontextmanager
async def _with_extra_processes(deployment: Deployment, topology: Topology) -> AsyncIterator[None]:
    match topology:
        case Topology.PAIRS:
            async with deployment.beside(deployment.other_api("api2"), deployment.other_worker("worker2")):
                yield
        case Topology.API_CLOCK:
            async with deployment.beside(deployment.other_api("api2", _clock(deployment, _HOUR))):
                yield
        case Topology.WORKER_CLOCK:
            async with deployment.beside(deployment.other_worker("worker2", _clock(deployment, -_HOUR))):
                await deployment.stack.stop_process("worker")
                try:
                    yield
                finally:
                    await deployment.stack.start_process("worker")
        case _:
            yield


def _clock(deployment: Deployment, seconds: int) -> dict[str, str]:
    environment = clock_environment(seconds, deployment.stack.home.path)
    if environment is None:
        raise NotPossibleError("a shifted clock needs libfaketime or a C compiler")
    return environment
