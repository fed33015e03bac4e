"""The package or library that a function belongs to."""

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
NO_PYTHON = "no Python code: event loop, native threads"
_STANDARD_LIBRARY = "standard library"


def package_of(stack: Sequence[Site]) -> str:
    """The package of the innermost function outside the standard library, which works for its caller."""
    if not stack:
        return NO_PYTHON
    packages = (package_of_site(site) for site in stack)
    return next((package for package in packages if package != _STANDARD_LIBRARY), _STANDARD_LIBRARY)


def package_of_site(site: Site) -> str:
    """The package of Holdfast or the library that one function belongs to."""
    parts = Path(site[0]).parts
    if "site-packages" in parts:
        package = parts[parts.index("site-packages") + 1].removesuffix(".py")
        return _LIBRARIES.get(package, package)
    if parts[: len(_ROOT.parts)] == _ROOT.parts:
        return parts[len(_ROOT.parts)]
    return "logging" if "logging" in parts else _STANDARD_LIBRARY


def is_ours(site: Site) -> bool:
    """Whether a function is part of Holdfast."""
    return package_of_site(site) in _OURS


def short_name(site: Site) -> str:
    """A short name such as `db/repositories/bookings.py insert`."""
    file, function = site
    parts = Path(file).parts
    if "site-packages" in parts:
        parts = parts[parts.index("site-packages") + 1 :]
    elif parts[: len(_ROOT.parts)] == _ROOT.parts:
        parts = parts[len(_ROOT.parts) :]
    else:
        parts = parts[-2:]
    return f"{'/'.join(parts)} {function}"
