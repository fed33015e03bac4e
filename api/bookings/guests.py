"""The link by which guests manage their booking."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import orjson

from api.identity.tokens import Tokens
from runtime.json import to_json

_LINK_OUTLIVES_BOOKING: Final = timedelta(days=7)


def with_link(tokens: Tokens, body: bytes | str) -> bytes:
    """A booking's JSON with the token of its manage link: the same booking at the same time has the same link."""
    booking = orjson.loads(body)
    issued_at = datetime.fromisoformat(booking["created_at"])
    expires_at = datetime.fromisoformat(booking["ends_at"]) + _LINK_OUTLIVES_BOOKING
    token = tokens.issue_manage(UUID(booking["id"]), issued_at, expires_at)
    return to_json(booking | {"manage": {"token": token, "expires_at": expires_at}})
