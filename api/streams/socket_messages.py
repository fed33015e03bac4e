"""The messages of `/v1/ws`: what a client may send, and what it is sent. All are JSON objects with a `type`."""

import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from api.errors import Problem, pointer_of
from api.events import CloudEvent, EventPattern
from api.streams.stream import Ending
from domain.callers import CallerKind
from domain.errors import InvalidRequestError
from domain.text_patterns import TextPattern
from runtime.json import UnfitJsonError, parse_untrusted

_ID: Final = r"^[A-Za-z0-9._:/-]{1,64}$"
_PREFIX: Final = "Value error, "


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


MessageId = Annotated[str, TextPattern(_ID, "must be 1 to 64 letters, digits or . _ : / -")]
"""Chosen by the client; the answer carries it too."""
Secret = Annotated[str, Field(min_length=1, max_length=8192)]
Place = Annotated[str, Field(max_length=2000), BeforeValidator(_as_text)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


# --- from the client ------------------------------------------------------------------------------------------


class Authenticate(_Message):
    """Says who the client is: the first message, and again before the token ends."""

    type: Literal["authenticate"]
    id: MessageId | None = None
    token: Secret | None = None
    """An access token, an API key, or the token of a manage link."""
    ticket: Secret | None = None
    """A stream ticket, in place of a token."""


class Subscribe(_Message):
    """Asks for events: of a booking, of a business, or by default of everything that the caller may hear."""

    type: Literal["subscribe"]
    id: MessageId
    """The subscription's id, chosen by the client; its events carry it."""
    business: UUID | None = None
    booking: UUID | None = None
    types: list[EventPattern] = Field(default=[], max_length=20)
    """Only these: types, or beginnings of types as `scheduling.booking.*`."""
    after: Place | None = None
    """The `resume` of the last event that the client has. Without it: from now on."""


class Unsubscribe(_Message):
    """Ends a subscription."""

    type: Literal["unsubscribe"]
    id: MessageId


class Ping(_Message):
    """Asks for an answer, to see whether the connection is alive."""

    type: Literal["ping"]
    id: MessageId | None = None


ClientMessage = Authenticate | Subscribe | Unsubscribe | Ping


# --- to the client --------------------------------------------------------------------------------------------


class Authenticated(_Message):
    """The client is known from now on."""

    type: Literal["authenticated"] = "authenticated"
    id: str | None = None
    caller: CallerKind
    expires_at: datetime | None = None
    """When the connection is closed unless a newer token is sent; without it: not by itself."""


class Subscribed(_Message):
    """From now on the subscription misses nothing."""

    type: Literal["subscribed"] = "subscribed"
    id: str
    resume: str
    """Where it begins: send it as `after` if the connection breaks before the first event."""


class Event(_Message):
    """Something has happened."""

    type: Literal["event"] = "event"
    id: str
    """The subscription's."""
    resume: str
    """Send it as `after` to go on behind this event."""
    event: CloudEvent


class Unsubscribed(_Message):
    """The subscription has ended as asked: no event of it follows."""

    type: Literal["unsubscribed"] = "unsubscribed"
    id: str
    resume: str | None = None
    """Where to go on; without it: it had not begun."""


class StreamEnded(_Message):
    """The subscription has ended. Others go on, unless the connection closes too."""

    type: Literal["stream.ended"] = "stream.ended"
    id: str
    reason: Ending
    resume: str | None = None
    """Where to go on; without it: it had not begun."""


class Pong(_Message):
    """The connection is alive."""

    type: Literal["pong"] = "pong"
    id: str | None = None


class Error(_Message):
    """A message was not carried out. Nothing else is touched by that."""

    type: Literal["error"] = "error"
    id: str | None = None
    """Of the message, as far as it could be read."""
    problem: Problem


ServerMessage = Authenticated | Subscribed | Event | Unsubscribed | StreamEnded | Pong | Error

FROM_CLIENT: Final[tuple[type[_Message], ...]] = (Authenticate, Subscribe, Unsubscribe, Ping)
TO_CLIENT: Final[tuple[type[_Message], ...]] = (
    Authenticated,
    Subscribed,
    Event,
    Unsubscribed,
    StreamEnded,
    Pong,
    Error,
)


# --- reading --------------------------------------------------------------------------------------------------

_READER: Final[TypeAdapter[ClientMessage]] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])
_TYPES: Final = "authenticate, subscribe, unsubscribe, ping"


class UnreadableMessageError(InvalidRequestError):
    """A client's message that says nothing we know; `message_id` is its id, as far as it could be read."""

    def __init__(self, detail: str, message_id: str | None = None) -> None:
        super().__init__(detail)
        self.message_id = message_id


def read_message(text: str) -> ClientMessage:
    """A client's message.

    Raises:
        UnreadableMessageError: it is none. The error says where and why, and quotes nothing.
    """
    return _validated(_object_in(text))


def read_first_message(text: str) -> Authenticate:
    """A client's first message, which needs no `type`: there is only one kind.

    Raises:
        UnreadableMessageError: it is something else.
    """
    message = _validated({"type": "authenticate"} | _object_in(text))
    if not isinstance(message, Authenticate):
        raise UnreadableMessageError('Authenticate first: {"type": "authenticate", "token": …}.', message.id)
    return message


def _object_in(text: str) -> dict[str, Any]:
    try:
        value = parse_untrusted(text.encode())
    except UnfitJsonError as error:
        raise UnreadableMessageError(f"The message is no JSON that is taken: {error}.") from None
    if not isinstance(value, dict):
        raise UnreadableMessageError("A message is a JSON object with a `type`.")
    return value


def _validated(value: dict[str, Any]) -> ClientMessage:
    try:
        return _READER.validate_python(value)
    except ValidationError as error:
        raise UnreadableMessageError(_detail(error), _id_in(value)) from None


def _detail(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)[0]
    where = pointer_of(found["loc"][1:])  # the first part is the message's type
    return f"{where}: {found['msg'].removeprefix(_PREFIX)}" if where else f"/type: must be one of {_TYPES}"


def _id_in(value: dict[str, Any]) -> str | None:
    found = value.get("id")
    return found if isinstance(found, str) and re.fullmatch(_ID, found) else None
