"""A process that counts as started once it answers."""

from abc import ABC, abstractmethod

from dev.process import ManagedProcess
from dev.readiness import until_ready


class Service(ABC):
    """A child process with a question that tells when it is ready."""

    ready_seconds: float = 60.0

    def __init__(self, process: ManagedProcess) -> None:
        self.process = process

    @property
    def name(self) -> str:
        return self.process.name

    @abstractmethod
    async def is_ready(self) -> bool:
        """Whether it answers now; False for "not yet", an exception only for what waiting cannot mend."""

    async def start(self) -> None:
        """Start the process and return when it is ready; leaves nothing behind when it fails.

        Raises:
            DevError: it ended or did not become ready in time.
        """
        await self.process.start()
        try:
            await until_ready(self.process, self.is_ready, timeout_seconds=self.ready_seconds)
        except BaseException:
            await self.process.stop()
            raise

    async def stop(self) -> None:
        """End the process; returns when it is gone."""
        await self.process.stop()

    async def kill(self) -> None:
        """End the process with SIGKILL, as a crash would; returns when it is gone."""
        await self.process.kill()
