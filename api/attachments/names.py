"""The name under which a browser saves a file."""

from typing import Final
from urllib.parse import quote

_PLAIN: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ._-()")


def disposition(name: str) -> str:
    """`attachment` with the name, in two ways: RFC 6266, section 5, and RFC 8187 for what is not plain."""
    plain = "".join(one if one in _PLAIN else "_" for one in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
