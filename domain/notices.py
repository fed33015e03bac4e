"""What people are told about a booking, and when. A step's notices are committed with the step."""

from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from domain.booking import BookingState
from domain.lifecycle import NOT_STARTED, Status
from domain.plan import Reminder
from domain.steps import Step, StepKind


class Audience(StrEnum):
    CUSTOMER = "customer"
    PROVIDER = "provider"
    OWNER = "owner"


class NoticeKind(StrEnum):
    RECEIVED = "received"
    OFFERED = "offered"
    CONFIRMED = "confirmed"
    RESCHEDULED = "rescheduled"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    NEEDS_ATTENTION = "needs_attention"
    REMINDER = "reminder"


TOLD_BY_SMS = frozenset(
    {NoticeKind.CONFIRMED, NoticeKind.RESCHEDULED, NoticeKind.CANCELLED, NoticeKind.REMINDER, NoticeKind.OFFERED}
)
"""What is worth a text message, to those who take any."""


class Notice(BaseModel):
    """One thing to tell one audience. `key` is constant over all retries and re-runs."""

    model_config = ConfigDict(frozen=True)

    key: str
    kind: NoticeKind
    audience: Audience
    minutes_before: int | None = None
    starts_at: datetime
    """The appointment time that the notice speaks of."""
    booking_version: int | None = None
    """The booking's version that it tells of."""
    provider_id: UUID | None = None
    """Of one to a provider: to whom."""


class ReminderDue(BaseModel):
    """A reminder whose time has come, with the notices that carry it."""

    model_config = ConfigDict(frozen=True)

    booking_id: UUID
    business_id: UUID
    key: str
    at: datetime
    """When it is sent, by the booking's own clock."""
    notices: tuple[Notice, ...]


_FIRST_STEP = 2
"""Sequence of the workflow's first step: the creation is the API's, and told of with this one."""

_BY_STATUS: dict[Status, tuple[tuple[NoticeKind, Audience], ...]] = {
    Status.ASSIGNED: ((NoticeKind.OFFERED, Audience.PROVIDER),),
    Status.ACCEPTED: ((NoticeKind.CONFIRMED, Audience.CUSTOMER),),
    Status.COMPLETED: ((NoticeKind.COMPLETED, Audience.CUSTOMER),),
    Status.CANCELLED: (
        (NoticeKind.CANCELLED, Audience.CUSTOMER),
        (NoticeKind.CANCELLED, Audience.PROVIDER),
    ),
}
_ATTENTION = ((NoticeKind.NEEDS_ATTENTION, Audience.OWNER),)
_MOVED = ((NoticeKind.RESCHEDULED, Audience.CUSTOMER), (NoticeKind.RESCHEDULED, Audience.PROVIDER))


def notices_of_step(step: Step, after: BookingState) -> list[Notice]:
    """Whom to tell what about a step that led to `after`; the first one tells of the creation as well."""
    told: list[tuple[NoticeKind, Audience]] = []
    if step.kind in (StepKind.TRANSITION, StepKind.OVERRIDE):
        told += _BY_STATUS.get(after.status, ())
    if step.kind is StepKind.RESCHEDULED:
        told += _MOVED
    if after.needs_attention and not step.was_flagged:
        told += _ATTENTION
    notices = [
        _notice(after, after.version, what, audience)
        for what, audience in told
        if audience is not Audience.PROVIDER or after.provider_id is not None
    ]
    received = [_notice(after, 1, NoticeKind.RECEIVED, Audience.CUSTOMER)] if after.version == _FIRST_STEP else []
    return received + notices


def _notice(state: BookingState, version: int, kind: NoticeKind, audience: Audience) -> Notice:
    key = f"{state.booking_id}/{version}/{kind}/{audience}"
    return Notice(
        key=key,
        kind=kind,
        audience=audience,
        starts_at=state.starts_at,
        booking_version=version,
        provider_id=state.provider_id if audience is Audience.PROVIDER else None,
    )


def reminder_due(state: BookingState, reminder: Reminder, at: datetime) -> ReminderDue:
    """A reminder to the customer, and to the provider once there is one."""
    audiences = [Audience.CUSTOMER]
    if state.provider_id is not None and state.status in (Status.ASSIGNED, Status.ACCEPTED):
        audiences.append(Audience.PROVIDER)
    key = _reminder_key(state, reminder)
    notices = [
        Notice(
            key=f"{key}/{audience}",
            kind=NoticeKind.REMINDER,
            audience=audience,
            minutes_before=reminder.minutes_before,
            starts_at=state.starts_at,
            booking_version=state.version,
            provider_id=state.provider_id if audience is Audience.PROVIDER else None,
        )
        for audience in audiences
    ]
    return ReminderDue(
        booking_id=state.booking_id, business_id=state.business_id, key=key, at=at, notices=tuple(notices)
    )


def _reminder_key(state: BookingState, reminder: Reminder) -> str:
    """The key of a reminder: of this appointment time, so that a moved booking reminds again."""
    moment = f"{state.starts_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    return f"reminder/{state.booking_id}/{moment}/{reminder.minutes_before}"


def still_due(notice: Notice, status: Status, starts_at: datetime, at: datetime) -> bool:
    """Whether a reminder may still be sent at `at`, given what is committed then.

    Not of a time that was given up, nor of an appointment that has begun or was called off.
    """
    return status in NOT_STARTED and starts_at == notice.starts_at and at < starts_at
