"""The caller's key, by which a request that is sent again is known."""

from typing import Annotated

from fastapi import Header

_DESCRIPTION = "A fresh unique value for each request; the same value again gets the same answer."

OptionalKey = Annotated[str | None, Header(alias="Idempotency-Key", max_length=255, description=_DESCRIPTION)]


def plain_key(header: str | None) -> str | None:
    """The key without the quotes that a structured header has; none when it is missing or empty."""
    return (header or "").strip().strip('"').strip() or None
