"""What people are told about a booking, and when."""

from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from domain.booking import BookingState
from domain.lifecycle import NOT_STARTED, Status
from domain.plan import Reminder
from domain.steps import StepKind


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


class Notice(BaseModel):
    """One thing to tell one audience. `key` is constant over all retries and re-runs."""

    model_config = ConfigDict(frozen=True)

    key: str
    kind: NoticeKind
    audience: Audience
    minutes_before: int | None = None
    starts_at: datetime
    """The appointment time that the notice speaks of."""


class NoticeBatch(BaseModel):
    """Notices that go out together, in one activity."""

    model_config = ConfigDict(frozen=True)

    booking_id: UUID
    business_id: UUID
    notices: tuple[Notice, ...]


_BY_STATUS: dict[Status, tuple[tuple[NoticeKind, Audience], ...]] = {
    Status.PENDING: ((NoticeKind.RECEIVED, Audience.CUSTOMER),),
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


def notices_of_step(kind: StepKind, before: BookingState | None, after: BookingState) -> list[Notice]:
    """Whom to tell what about a step; `before` is none for the creation."""
    told: list[tuple[NoticeKind, Audience]] = []
    if kind in (StepKind.CREATED, StepKind.TRANSITION, StepKind.OVERRIDE):
        told += _BY_STATUS.get(after.status, ())
    if kind is StepKind.RESCHEDULED:
        told += _MOVED
    if after.needs_attention and not (before and before.needs_attention):
        told += _ATTENTION
    return [
        Notice(
            key=f"{after.booking_id}/{after.version}/{what}/{audience}",
            kind=what,
            audience=audience,
            starts_at=after.starts_at,
        )
        for what, audience in told
        if audience is not Audience.PROVIDER or after.provider_id is not None
    ]


def notices_of_reminder(state: BookingState, reminder: Reminder) -> list[Notice]:
    """The notices of a reminder: to the customer, and to the provider once there is one."""
    audiences = [Audience.CUSTOMER]
    if state.provider_id is not None and state.status in (Status.ASSIGNED, Status.ACCEPTED):
        audiences.append(Audience.PROVIDER)
    return [
        Notice(
            key=reminder_key(state, reminder, audience),
            kind=NoticeKind.REMINDER,
            audience=audience,
            minutes_before=reminder.minutes_before,
            starts_at=state.starts_at,
        )
        for audience in audiences
    ]


def reminder_key(state: BookingState, reminder: Reminder, audience: Audience) -> str:
    """The key of a reminder: of this appointment time, so that a moved booking reminds again."""
    moment = f"{state.starts_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    return f"reminder/{state.booking_id}/{moment}/{reminder.minutes_before}/{audience}"


def still_due(notice: Notice, status: Status, starts_at: datetime) -> bool:
    """Whether a notice may still be sent, given what is committed at the moment of sending.

    After a cancellation only the cancellation itself is told; a reminder of a time that was given up, or of
    an appointment that has begun, is not sent.
    """
    if status is Status.CANCELLED:
        return notice.kind is NoticeKind.CANCELLED
    if notice.kind is NoticeKind.REMINDER:
        return status in NOT_STARTED and starts_at == notice.starts_at
    return True
