"""Which part of the house, or which library, a stack belongs to."""

from collections.abc import Iterable, Sequence
from pathlib import Path

Site = tuple[str, str]
"""File and function."""

_ROOT = Path(__file__).parent.parent

OURS = ("api", "worker", "workflows", "activities", "db", "runtime", "domain", "bench")
_LIBRARIES = {
    "sqlalchemy": "sqlalchemy",
    "asyncpg": "asyncpg",
    "pydantic": "pydantic",
    "temporalio": "temporalio",
    "google": "protobuf",
    "fastapi": "fastapi, starlette",
    "starlette": "fastapi, starlette",
    "uvicorn": "uvicorn",
    "jwt": "jwt, cryptography",
    "cryptography": "jwt, cryptography",
    "structlog": "logging",
    "logging": "logging",
    "prometheus_client": "prometheus",
    "phonenumbers": "phonenumbers",
}
LOOP = "event loop, standard library"


def room_of(stack: Sequence[Site]) -> str:
    """The room or library of the innermost function that belongs to one; the standard library works for others."""
    return next((room for file, _ in stack if (room := _room_of_file(file))), LOOP)


def is_ours(site: Site) -> bool:
    return _room_of_file(site[0]) in OURS


def short_name(site: Site) -> str:
    """`db/repositories/bookings.py insert`, as it is said aloud."""
    file, function = site
    parts = Path(file).parts
    for root in (_ROOT.parts, _after(parts, "site-packages"), _after(parts, "lib")):
        if root and parts[: len(root)] == root:
            return f"{'/'.join(parts[len(root) :])} {function}"
    return f"{file} {function}"


def _room_of_file(file: str) -> str | None:
    parts = Path(file).parts
    inside = parts[len(_after(parts, "site-packages")) :] if "site-packages" in parts else ()
    if inside:
        return _LIBRARIES.get(inside[0], inside[0].removesuffix(".py"))
    if parts[: len(_ROOT.parts)] == _ROOT.parts:
        return parts[len(_ROOT.parts)]
    return _LIBRARIES.get(_first(parts[-2:-1]))


def _after(parts: Sequence[str], name: str) -> tuple[str, ...]:
    """The leading parts up to and including the last `name`."""
    for index in range(len(parts) - 1, -1, -1):
        if parts[index] == name:
            return tuple(parts[: index + 1])
    return ()


def _first(parts: Iterable[str]) -> str:
    return next(iter(parts), "")
