"""The data folder of the embedded PostgreSQL."""

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from dev.accounts import Account, run_as
from dev.errors import DevError
from dev.postgres_binaries import binary, major_version

SUPERUSER = "postgres"

# The builtin provider has the same sort order and case rules on every machine.
_INITDB_OPTIONS = (
    *("--username", SUPERUSER, "--auth", "trust", "--encoding", "UTF8", "--no-instructions"),
    *("--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
)


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The folder `path` of one PostgreSQL cluster; it may not exist yet."""

    path: Path
    account: Account | None

    async def prepare(self) -> None:
        """Create the cluster if there is none; else check it.

        Raises:
            DevError: the folder is broken or belongs to another major version.
        """
        if not self.path.exists():
            await self._create()
        self._check_version()
        self._remove_stale_lock()

    async def _create(self) -> None:
        # Created beside its final place and renamed, so that an interrupted run never leaves half a cluster.
        unfinished = self.path.with_name(self.path.name + ".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True, mode=0o700)
        if self.account:
            self.account.give_ownership(unfinished, home=self.path.parent)
        await self._initdb(unfinished)
        unfinished.rename(self.path)

    async def _initdb(self, folder: Path) -> None:
        argv = (str(binary("initdb")), "--pgdata", str(folder), *_INITDB_OPTIONS)
        running = run_as(self.account, *argv, to=(binary("initdb"), folder))
        process = await asyncio.create_subprocess_exec(
            *running.argv,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=server_environment(),
            cwd="/",
            start_new_session=True,
            **running.options,
        )
        try:
            output, _ = await process.communicate()
        except asyncio.CancelledError:
            process.terminate()  # initdb ends its own children
            await process.wait()
            raise
        if process.returncode:
            raise DevError(f"PostgreSQL could not set up {self.path}", detail=output.decode(errors="replace"))

    def _check_version(self) -> None:
        remedy = "move the folder away, or empty it with `python -m dev reset`"
        try:
            version = (self.path / "PG_VERSION").read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise DevError(f"{self.path} is no PostgreSQL data folder ({_reason(error)}): {remedy}") from error
        if not version.isdigit():
            raise DevError(f"{self.path} is broken (PG_VERSION says {version!r}): {remedy}")
        if int(version) != major_version():
            raise DevError(f"{self.path} is of PostgreSQL {version}, this is {major_version()}: {remedy}")

    def _remove_stale_lock(self) -> None:
        """Remove the lock file of a crashed server if another program now has its process id.

        PostgreSQL would mistake that program for itself and refuse to start. It still checks by shared memory that
        no other server uses the folder.
        """
        lock = self.path / "postmaster.pid"
        try:
            owner = psutil.Process(int(lock.read_text().split()[0]))
            if "postgres" not in owner.name():
                lock.unlink()
        except (OSError, ValueError, IndexError, psutil.Error):
            return  # no lock or no such process: PostgreSQL handles it


def _reason(error: OSError | UnicodeDecodeError) -> str:
    text = (error.strerror or "unreadable") if isinstance(error, OSError) else "not text"
    return f"PG_VERSION: {text.lower()}"


def server_environment() -> dict[str, str]:
    """The environment of PostgreSQL's programs: without the user's PG* variables, with messages in English."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return mine | {"LC_ALL": "C"}
