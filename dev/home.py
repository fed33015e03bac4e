"""The folder of one stack, and the lock that prevents a second stack in it."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.errors import DevError
from dev.run_state import RunState

_OURS = ("postgres", "postgres.new", "socket", "logs", "keys", "mail", "run.json", "schema")
_PRIVATE = 0o700


class Home:
    """The paths in `HOLDFAST_HOME`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self.jwt_key = self.path / "keys" / "jwt.pem"
        self.secrets_key = self.path / "keys" / "secrets.key"
        self.grpc_token = self.path / "keys" / "grpc.token"
        self.run_state = self.path / "run.json"
        self.schema = self.path / "schema"

    def make(self) -> None:
        """Create the folder.

        Raises:
            DevError: it cannot be created or written to.
        """
        try:
            self.path.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
            self.logs.mkdir(mode=_PRIVATE, exist_ok=True)
            self.logs.chmod(_PRIVATE)  # older versions created it readable by everyone
            (self.path / "lock").touch()
        except OSError as error:
            raise DevError(
                f"{self.path} cannot be written to ({(error.strerror or str(error)).lower()}): "
                "set HOLDFAST_HOME to a folder of your own"
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock; the kernel releases it when the process ends in any way.

        Raises:
            DevError: another stack holds the lock; the message contains its process id.
        """
        self.make()
        with (self.path / "lock").open("r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise DevError(
                    f"a stack runs in {self.path} already (pid {lock.read().strip() or 'unknown'}): "
                    "stop it with `make stop`, or set HOLDFAST_HOME to another folder"
                ) from error
            lock.truncate()
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def running(self) -> RunState | None:
        """The state of the stack that holds the lock; None if no stack runs."""
        if not self.run_state.exists():
            return None
        try:
            with (self.path / "lock").open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return None
        except BlockingIOError:
            return RunState.read(self.run_state)
        return None

    def delete_data(self) -> None:
        """Delete the stack's files, and no other files in the folder."""
        for name in _OURS:
            target = self.path / name
            shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
        for database in self.path.glob("temporal.db*"):
            database.unlink()
