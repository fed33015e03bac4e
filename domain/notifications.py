"""Which notices people get about a booking, and when. A step's notices commit with the step."""

from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from domain.booking import BookingState
from domain.lifecycle import NOT_STARTED, Status
from domain.steps import FormerJob, Step, StepKind
from domain.timeline import Reminder


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
"""Kinds that are also sent as text messages."""


class Notice(BaseModel):
    """One notice to one audience. `key` is constant over all retries."""

    model_config = ConfigDict(frozen=True)

    key: str
    kind: NoticeKind
    audience: Audience
    minutes_before: int | None = None
    starts_at: datetime
    """The appointment time that the notice mentions."""
    booking_version: int | None = None
    """The booking's version that it is about."""
    provider_id: UUID | None = None
    """The recipient, if it is a provider."""


class ReminderDue(BaseModel):
    """A reminder that is due, with its notices."""

    model_config = ConfigDict(frozen=True)

    booking_id: UUID
    business_id: UUID
    key: str
    at: datetime
    """When it is sent, by the workflow's clock."""
    notices: tuple[Notice, ...]


_FIRST_STEP = 2
"""Sequence of the workflow's first step. The API creates the booking; its notice is sent with this step."""

_TO_CUSTOMER: Final = MappingProxyType(
    {
        Status.ACCEPTED: NoticeKind.CONFIRMED,
        Status.COMPLETED: NoticeKind.COMPLETED,
        Status.CANCELLED: NoticeKind.CANCELLED,
    }
)
_ENTERS_STATUS: Final = (StepKind.TRANSITION, StepKind.OVERRIDE)
_GIVEN_BACK: Final = frozenset({Status.REJECTED, Status.NO_SHOW})
"""Statuses whose transitions, unlike overrides, are the provider's own doing: they need no notice of it."""


def notices_of_step(step: Step, after: BookingState) -> list[Notice]:
    """The notices of a step that led to `after`; those of the first step include the creation.

    Customers and owners are notified of the booking's state, providers of whether they have the booking.
    """
    notices = []
    if after.version == _FIRST_STEP:
        notices.append(_notice(after, 1, NoticeKind.RECEIVED, Audience.CUSTOMER))
    if (kind := _to_customer(step, after)) is not None:
        notices.append(_notice(after, after.version, kind, Audience.CUSTOMER))
    notices += _to_providers(step, after)
    if after.needs_attention and not step.was_flagged:
        notices.append(_notice(after, after.version, NoticeKind.NEEDS_ATTENTION, Audience.OWNER))
    return notices


def _to_customer(step: Step, after: BookingState) -> NoticeKind | None:
    if step.kind is StepKind.RESCHEDULED:
        return NoticeKind.RESCHEDULED
    return _TO_CUSTOMER.get(after.status) if step.kind in _ENTERS_STATUS else None


def _to_providers(step: Step, after: BookingState) -> list[Notice]:
    """Compare the provider before the step with the provider after it, whatever the step was."""
    before, has = _before(step, after), after.job_holder_id
    had, notices = before.job_holder_id, []
    if had is not None and had != has and not _is_given_back(step, after):
        notices.append(_to_provider(after, NoticeKind.CANCELLED, had, before.starts_at))
    if has is not None and (kind := _of_having(step, after, is_new=had != has)) is not None:
        notices.append(_to_provider(after, kind, has, after.starts_at))
    return notices


def _before(step: Step, after: BookingState) -> FormerJob:
    if step.before is not None:
        return step.before
    was = after.model_copy(update={"status": step.old_status})  # a step of an earlier version has no `before`
    return FormerJob(job_holder_id=was.job_holder_id, starts_at=after.starts_at)


def _is_given_back(step: Step, after: BookingState) -> bool:
    return step.kind is StepKind.TRANSITION and after.status in _GIVEN_BACK


def _of_having(step: Step, after: BookingState, *, is_new: bool) -> NoticeKind | None:
    if after.status is Status.ASSIGNED and (is_new or step.kind in _ENTERS_STATUS):
        return NoticeKind.OFFERED
    if is_new:
        return NoticeKind.CONFIRMED if after.status in (Status.ACCEPTED, Status.IN_PROGRESS) else None
    return NoticeKind.RESCHEDULED if step.kind is StepKind.RESCHEDULED else None


def _notice(state: BookingState, version: int, kind: NoticeKind, audience: Audience) -> Notice:
    key = f"{state.booking_id}/{version}/{kind}/{audience}"
    return Notice(key=key, kind=kind, audience=audience, starts_at=state.starts_at, booking_version=version)


def _to_provider(state: BookingState, kind: NoticeKind, provider_id: UUID, starts_at: datetime) -> Notice:
    notice = _notice(state, state.version, kind, Audience.PROVIDER)
    return notice.model_copy(update={"provider_id": provider_id, "starts_at": starts_at})


def reminder_due(state: BookingState, reminder: Reminder, at: datetime) -> ReminderDue:
    """A reminder to the customer, and to the provider if there is one."""
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
    """The key of a reminder of this appointment time: a moved booking gets new reminders."""
    moment = f"{state.starts_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    return f"reminder/{state.booking_id}/{moment}/{reminder.minutes_before}"


def still_due(notice: Notice, status: Status, starts_at: datetime, at: datetime) -> bool:
    """Whether a reminder may still be sent at `at`, given the booking's committed state.

    Not for a former time, and not once the appointment has begun or was cancelled.
    """
    return status in NOT_STARTED and starts_at == notice.starts_at and at < starts_at
