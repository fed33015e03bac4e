"""One step of a booking: what the workflow asks the database to write, and the answer.

A step is written once however often it is requested: (booking, sequence) is its place, `key` its identity.
"""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from domain.booking import Actor, BookingState
from domain.lifecycle import Status


class StepKind(StrEnum):
    CREATED = "created"
    TRANSITION = "transition"
    OVERRIDE = "override"
    RESCHEDULED = "rescheduled"
    ATTEMPT_FAILED = "attempt_failed"
    FLAGGED = "flagged"
    PAYMENT_ASKED = "payment_asked"
    """The booking waits for its payment."""
    PAID = "paid"


class Hold(StrEnum):
    """What a step does with the provider's time."""

    KEEP = "keep"
    RELEASE = "release"
    TAKE = "take"
    """Reserve the time of `after.provider_id`, who must be open and free, in place of what was reserved before."""
    FORCE = "force"
    """The same outside the provider's hours as well: an owner or admin has decided it."""
    CHOOSE = "choose"
    """Reserve the time of the best free provider who has not refused, in place of what was reserved before."""


class Reason:
    """Reasons that are codes: the engine's own."""

    OFFER_EXPIRED = "offer_expired"
    EXPIRED = "expired"
    PAYMENT_EXPIRED = "payment_expired"
    AUTO_ACCEPTED = "auto_accepted"
    NO_PROVIDER_FREE = "no_provider_free"
    CUSTOMER_NO_SHOW = "customer_no_show"
    OVERDUE = "overdue"
    CANCELLED_IN_TEMPORAL = "cancelled_in_temporal"
    WORKFLOW_CLOSED = "workflow_closed"
    FLAGGED = "flagged"
    """By somebody in Temporal who has given no code as the reason."""
    DIFFERS_AT_VENDOR = "differs_at_vendor"


class FormerJob(BaseModel):
    """Who had a booking's job before a step, and for when."""

    model_config = ConfigDict(frozen=True)

    job_holder_id: UUID | None
    starts_at: datetime


class Step(BaseModel):
    """A step to record: projection, history row, event and messages, in one transaction."""

    model_config = ConfigDict(frozen=True)

    kind: StepKind
    key: str
    """Identity of the decision: the same key at the same sequence is the same step written again."""
    old_status: Status
    was_flagged: bool
    """Whether the booking needed attention before the step."""
    before: FormerJob | None = None
    """Who had the job until then, and for when; none in steps of earlier versions."""
    after: BookingState
    """The state to store; `after.version` is the step's sequence."""
    hold: Hold
    at: datetime
    actor: Actor
    reason: str | None = None
    remark_id: UUID | None = None
    command_id: str | None = None
    correlation_id: str | None = None


class Outcome(StrEnum):
    RECORDED = "recorded"
    STALE = "stale"
    """The history is ahead: nothing was written, and `state` is what the database holds."""
    REPEATED = "repeated"
    """The command that led to the step was applied before: nothing was written, and `state` is what is stored."""
    UNAVAILABLE = "unavailable"
    """No provider is free (`CHOOSE`) or this one is not (`TAKE`, `FORCE`): nothing was written."""
    UNFIT = "unfit"
    """The provider does not exist in this business or does not offer the service: nothing was written."""


class StepResult(BaseModel):
    model_config = ConfigDict(frozen=True)

    outcome: Outcome
    state: BookingState | None = None
    """The state as stored (`RECORDED`, `STALE`, `REPEATED`)."""
    applied_command_ids: tuple[str, ...] = ()
    """`STALE`: the commands behind the steps by which the history is ahead."""
    applied_versions: dict[str, int] = {}
    """Of those commands, and of a `REPEATED` one: the version that its step left."""


class CatchUpRequest(BaseModel):
    """What a workflow knows of its booking when it asks for what the database has beyond that."""

    model_config = ConfigDict(frozen=True)

    booking_id: UUID
    business_id: UUID
    version: int


class BookingStart(BaseModel):
    """The argument of a booking's workflow."""

    model_config = ConfigDict(frozen=True)

    booking_id: UUID
    business_id: UUID
    state: BookingState | None = None
    """Where to begin; without it the workflow reads the projection."""
    flag_reason: str | None = Field(
        default=None, validation_alias=AliasChoices("alarm", "flag_reason"), serialization_alias="alarm"
    )
    """Why the booking must be flagged first: somebody ended its former run by mistake."""


class BookingRef(BaseModel):
    """A booking and its business."""

    model_config = ConfigDict(frozen=True)

    booking_id: UUID
    business_id: UUID
