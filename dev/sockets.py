"""A private folder for PostgreSQL's socket, with a path short enough for the kernel."""

import hashlib
import os
import stat
import sys
import tempfile
from pathlib import Path

from dev.accounts import Account
from dev.errors import DevError

PORT = 5432
"""Only a part of the socket's name: the server does not listen on TCP."""

_MAX_BYTES = 103 if sys.platform == "darwin" else 107  # sizeof(sun_path) without the closing zero byte


def socket_folder(home: Path, account: Account | None) -> Path:
    """`home`/socket, or a folder in the system's temporary folder if that path is too long.

    Raises:
        DevError: the temporary folder belongs to another user, or its path is too long too.
    """
    for folder in (home.absolute() / "socket", _temporary(home.absolute())):
        if _fits(folder):
            return _private(folder, home.absolute(), account)
    raise DevError(f"{home} is too long a path for a socket: set HOLDFAST_HOME to a shorter one")


def _temporary(home: Path) -> Path:
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"holdfast-{os.getuid()}-{name}"


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= _MAX_BYTES


def _private(folder: Path, home: Path, account: Account | None) -> Path:
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    found = folder.lstat()
    owners = {os.geteuid(), account.uid if account else os.geteuid()}
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
        raise DevError(f"{folder} belongs to another user: remove it, or set TMPDIR to your own folder")
    folder.chmod(0o700)
    if account:
        account.give_ownership(folder, home=home)
    return folder
