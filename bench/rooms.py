"""Which part of the house, or which library, a function belongs to."""

from collections.abc import Sequence
from pathlib import Path

Site = tuple[str, str]
"""File and function."""

_ROOT = Path(__file__).parent.parent

_OURS = frozenset({"api", "worker", "workflows", "activities", "db", "runtime", "domain"})
_LIBRARIES = {
    "google": "protobuf",
    "starlette": "fastapi, starlette",
    "fastapi": "fastapi, starlette",
    "anyio": "fastapi, starlette",
    "jwt": "jwt, cryptography",
    "cryptography": "jwt, cryptography",
    "pydantic_core": "pydantic",
    "structlog": "logging",
}
OUTSIDE = "no Python code: event loop, native threads"
_OTHER = "standard library"


def room_of(stack: Sequence[Site]) -> str:
    """The room or library of the innermost function that belongs to one: the standard library works for others."""
    if not stack:
        return OUTSIDE
    return next((room for site in stack if (room := room_of_site(site)) != _OTHER), _OTHER)


def room_of_site(site: Site) -> str:
    parts = Path(site[0]).parts
    if "site-packages" in parts:
        package = parts[parts.index("site-packages") + 1].removesuffix(".py")
        return _LIBRARIES.get(package, package)
    if parts[: len(_ROOT.parts)] == _ROOT.parts:
        return parts[len(_ROOT.parts)]
    return "logging" if "logging" in parts else _OTHER


def is_ours(site: Site) -> bool:
    return room_of_site(site) in _OURS


def short_name(site: Site) -> str:
    """`db/repositories/bookings.py insert`."""
    file, function = site
    parts = Path(file).parts
    if "site-packages" in parts:
        parts = parts[parts.index("site-packages") + 1 :]
    elif parts[: len(_ROOT.parts)] == _ROOT.parts:
        parts = parts[len(_ROOT.parts) :]
    else:
        parts = parts[-2:]
    return f"{'/'.join(parts)} {function}"
