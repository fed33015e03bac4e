"""Shapes of messages and their templates on the wire."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import BaseModel, Field

from api.shapes import In, Language, Text
from domain.messages import Channel, MessageState
from domain.notifications import Audience, NoticeKind
from runtime.messages.sandbox import LONGEST_SOURCE

Source = Annotated[Text, Field(min_length=1, max_length=LONGEST_SOURCE)]
_SUBJECT: Final = 1000


class TemplateIn(In):
    """The words of a message, with gaps as `{{ booking.starts }}`."""

    subject: Annotated[Text, Field(min_length=1, max_length=_SUBJECT)] | None = None
    """Of an e-mail, which needs one."""
    body: Source
    """Plain text."""
    html: Source | None = None
    """Of an e-mail: the same in HTML. None: made from the text."""


class TemplateOut(BaseModel):
    kind: NoticeKind
    audience: Audience
    channel: Channel
    language: str
    subject: str | None
    body: str
    html: str | None
    is_own: bool
    """The business's own; else it is ours."""
    updated_at: datetime | None


class Variable(BaseModel):
    name: str
    meaning: str


class Templates(BaseModel):
    items: list[TemplateOut]
    variables: list[Variable]
    """What a template may name."""
    own_emails_are_sent: bool
    """False: they go out in our words, by the installation's mail server, until an operator approves it."""


class PreviewIn(In):
    """Which message to write."""

    kind: NoticeKind
    audience: Audience
    channel: Channel
    language: Language | None = None
    """The language that is wished for; none: the customer's or the business's."""
    template: TemplateIn | None = None
    """Words to try; none: those that are in force."""
    booking_id: UUID | None = None
    """A booking to speak of; none: one that does not exist."""


class PreviewOut(BaseModel):
    language: str
    subject: str | None
    text: str
    html: str | None


class MessageOut(BaseModel):
    """What somebody was told, or was to be."""

    id: UUID
    kind: NoticeKind
    audience: Audience
    channel: str
    """`email`, `sms`, or `console` where nobody sends e-mails."""
    state: MessageState
    state_at: datetime
    error: str | None
    """A code: why it `failed`, or was `suppressed`."""
    minutes_before: int | None
    """Of a reminder."""
    starts_at: datetime | None
    """The appointment time that it speaks of."""
    language: str | None
    subject: str | None
    body: str | None
    """As it was sent."""
    created_at: datetime


class Messages(BaseModel):
    items: list[MessageOut]
