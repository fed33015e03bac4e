"""JSON as Holdfast writes it: times in UTC with a Z, and ids from whichever UUID class the driver made."""

from typing import Any

import orjson


def to_json(value: Any) -> bytes:
    """The value as JSON."""
    # The database driver has a UUID class of its own, which orjson does not take for one.
    return orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z)


def to_json_text(value: Any) -> str:
    """The same as text, for a database parameter."""
    return to_json(value).decode()


def from_json(text: str | bytes) -> Any:
    """The value that JSON stands for."""
    return orjson.loads(text)
