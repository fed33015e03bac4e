"""Simple child processes for tests of the supervisor."""

from pathlib import Path

from dev.process import Command, Journal, ManagedProcess
from dev.service import Service

SLEEP = "exec sleep 1000"


def shell(folder: Path, script: str, *, name: str = "child", stop_seconds: float = 10.0) -> Command:
    """A command that runs a shell script."""
    return Command(
        name=name,
        argv=("sh", "-c", script),
        log_path=folder / "logs" / f"{name}.log",
        directory=folder,
        stop_seconds=stop_seconds,
    )


class Child(Service):
    """A shell script that is ready when it has created the file `ready` in its folder."""

    def __init__(
        self, folder: Path, script: str = f"touch ready; {SLEEP}", journal: Journal | None = None
    ) -> None:
        self._ready = folder / "ready"
        super().__init__(ManagedProcess(shell(folder, script), journal))

    async def start(self) -> None:
        self._ready.unlink(missing_ok=True)
        await super().start()

    async def is_ready(self) -> bool:
        return self._ready.exists()
