"""JSON: writing with times in UTC with a Z, and strict reading of untrusted input."""

import json
from typing import Any, Final, NoReturn

import orjson

_MOST_DEPTH: Final = 64


class UnfitJsonError(ValueError):
    """Ambiguous or unreadable JSON. The message quotes nothing of it."""


class NotJsonError(UnfitJsonError):
    """Invalid JSON; the message gives the position."""


def to_json(value: Any) -> bytes:
    """The value as JSON."""
    # orjson does not recognise the database driver's own UUID class.
    return orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z)


def to_json_text(value: Any) -> str:
    """The value as JSON text, for a database parameter."""
    return to_json(value).decode()


def from_json(text: str | bytes) -> Any:
    """The value of trusted JSON."""
    return orjson.loads(text)


def parse_untrusted(body: bytes) -> Any:
    """The value of untrusted JSON, if it can be read in only one way (RFC 8259, section 4).

    Raises:
        NotJsonError: it is not JSON.
        UnfitJsonError: a duplicate member, `NaN`, an infinite number, or nesting deeper than 64.
    """
    try:
        value = json.loads(body, object_pairs_hook=_members, parse_constant=_refuse_constant)
    except UnfitJsonError:
        raise
    except json.JSONDecodeError as error:
        raise NotJsonError(f"not JSON, at line {error.lineno}, column {error.colno}") from None
    except UnicodeDecodeError:
        raise UnfitJsonError("not UTF-8") from None
    except RecursionError:
        raise UnfitJsonError(f"nested deeper than {_MOST_DEPTH}") from None
    except ValueError:
        raise UnfitJsonError("a number is too long") from None
    if body.count(b"[") + body.count(b"{") > _MOST_DEPTH:
        _require_shallow(value)
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise UnfitJsonError("an object has a member twice")
    return members


def _refuse_constant(_: str) -> NoReturn:
    raise UnfitJsonError("a number is NaN or infinite")


def _require_shallow(value: Any) -> None:
    """Check the depth level by level: deep nesting must not be walked recursively."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > _MOST_DEPTH:
            raise UnfitJsonError(f"nested deeper than {_MOST_DEPTH}")
        inner = (child for parent in level for child in (parent.values() if isinstance(parent, dict) else parent))
        level = [child for child in inner if isinstance(child, dict | list)]
