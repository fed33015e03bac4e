"""What a cell needs beside the shared stack: a second API and worker, a clock that is off, a small disk."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from tests.chaos.cells import Setting
from tests.chaos.clock import shifted
from tests.chaos.disk import can_mount
from tests.chaos.site import Site, running_site

_HOUR: Final = 3600


class NotPossibleError(Exception):
    """This machine lacks what the cell needs; the text says what."""


@asynccontextmanager
async def site_for(setting: Setting, shared: Site | None) -> AsyncIterator[Site]:
    """The stack that a cell of this setting runs against.

    Raises:
        NotPossibleError: not on this machine.
    """
    async with AsyncExitStack() as resources:
        if setting is Setting.SMALL_DISK:
            if not can_mount():
                raise NotPossibleError("mounting a small file system needs Linux and root")
            yield await resources.enter_async_context(running_site(on_small_disk=True))
            return
        site = shared if shared is not None else await resources.enter_async_context(running_site())
        await resources.enter_async_context(_furnished(site, setting))
        yield site


@asynccontextmanager
async def _furnished(site: Site, setting: Setting) -> AsyncIterator[None]:
    match setting:
        case Setting.PAIRS:
            async with site.beside(site.other_api("api2"), site.other_worker("worker2")):
                yield
        case Setting.API_CLOCK:
            async with site.beside(site.other_api("api2", _clock(site, _HOUR))):
                yield
        case Setting.WORKER_CLOCK:
            async with site.beside(site.other_worker("worker2", _clock(site, -_HOUR))):
                await site.stack.stop_process("worker")
                try:
                    yield
                finally:
                    await site.stack.start_process("worker")
        case _:
            yield


def _clock(site: Site, seconds: int) -> dict[str, str]:
    environment = shifted(seconds, site.stack.home.path)
    if environment is None:
        raise NotPossibleError("a clock that is off needs libfaketime or a C compiler")
    return environment
