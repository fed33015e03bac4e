"""Shapes of webhook endpoints and deliveries on the wire."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from api.events import EventPattern
from api.shapes import ABSENT, In, Text
from domain.effects import EffectState


def _each_once(value: list[str]) -> list[str]:
    return list(dict.fromkeys(value))


Url = Annotated[Text, Field(min_length=1, max_length=2000, examples=["https://www.example.com/hooks/holdfast"])]
EventTypes = Annotated[
    list[EventPattern],
    Field(max_length=20, description="Types, or beginnings of types as `scheduling.booking.*`; empty: all."),
    AfterValidator(_each_once),
]
Description = Annotated[Text, Field(max_length=200)]
State = Literal["enabled", "disabled"]


class WebhookEndpointIn(In):
    url: Url
    description: Description = ""
    event_types: EventTypes = Field(default_factory=list)


class WebhookEndpointChange(In):
    url: Url = ABSENT
    description: Description = ABSENT
    event_types: EventTypes = ABSENT
    state: State = ABSENT


class WebhookEndpointOut(BaseModel):
    id: UUID
    url: str
    description: str
    event_types: list[str]
    state: State
    disabled_reason: str | None
    """`gone`: it answered 410; `failing`: it took nothing for three days; `by_hand`."""
    former_secret_until: datetime | None
    """Until then webhooks are signed with former secrets, too."""
    created_at: datetime
    updated_at: datetime


class WebhookEndpointMade(WebhookEndpointOut):
    """The one answer in which the secret is."""

    secret: str


class WebhookEndpoints(BaseModel):
    items: list[WebhookEndpointOut]


class SecretRotation(In):
    former_valid_hours: int = Field(
        strict=True,
        default=24,
        ge=0,
        le=168,
        description="For so long former secrets sign, too; 0: they do no more.",
    )


class WebhookDelivery(BaseModel):
    id: UUID
    event_id: UUID
    """The `webhook-id` of every attempt."""
    event_type: str
    state: EffectState
    """`failed`: given up, until it is retried; `obsolete`: there was nothing to deliver any more."""
    attempts: int
    last_error: str | None
    """A code."""
    created_at: datetime
    first_attempt_at: datetime | None
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None
    done_at: datetime | None


class WebhookDeliveries(BaseModel):
    items: list[WebhookDelivery]
    next_cursor: str | None


class Replayed(BaseModel):
    replayed: int
    is_all: bool
    """Whether nothing is left to replay; else ask again."""
