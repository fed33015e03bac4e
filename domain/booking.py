"""The state of one booking and the pure rules that take it from one step to the next.

The workflow holds a `BookingState`, and the database mirrors it column by column. A run that begins in the middle
of a booking's life (reopened, continued, reset) begins from it. Nothing here reads a clock: callers pass `at`.
"""

from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from domain.lifecycle import HAS_PROVIDER, Party, Role, Status
from domain.payments import PaymentGate
from domain.policies import CustomerNoShow, Policy


class Actor(BaseModel):
    """Who did it: a role and ids, never a name."""

    model_config = ConfigDict(frozen=True)

    role: Role
    user_id: UUID | None = None
    provider_id: UUID | None = None
    """Set for providers: the provider that the user acts as."""


SYSTEM = Actor(role=Role.SYSTEM)


class BookingState(BaseModel):
    """Everything that decides what happens next to a booking, and the reference by which people find it.

    Immutable: each step makes a new one.
    """

    model_config = ConfigDict(frozen=True)

    booking_id: UUID
    business_id: UUID
    service_id: UUID
    status: Status
    version: int
    """Sequence of the last history row; 1 after creation."""
    starts_at: datetime
    ends_at: datetime
    provider_id: UUID | None = None
    """The provider whom the booking is with, or was with last."""
    auto_accept: bool = False
    """Whether that provider accepts without being asked."""
    policy: Policy
    phase_since: datetime
    """When the last step was taken; offers run from here."""
    attempt: int = 0
    """Assignments tried in this round."""
    next_attempt_at: datetime | None = None
    """When the next assignment is tried; none when nothing is planned."""
    refused_provider_ids: tuple[UUID, ...] = ()
    """Providers that are not asked again: they refused, let an offer pass or did not show up."""
    accepted_once: bool = False
    """Whether anybody ever accepted; such a booking no longer expires."""
    absent_party: Party | None = None
    needs_attention: bool = False
    holds_time: bool = False
    """Whether that provider's time is reserved for this booking now."""
    planned_from: datetime
    """Creation, last move or last override: what lay in the past then is neither reminded of nor expires."""
    payment: PaymentGate | None = None
    """Of a booking paid for through Holdfast: while it is pending and this is `awaiting`, no provider is asked.

    `authorized` says that the money was promised or taken once; the payment says whether it still is.
    """
    fee_owed_since: datetime | None = None
    """When the customer moved it although cancelling already cost the fee; no later move makes that free again."""
    reference: str | None = None
    """What people read out; none in states that were stored before it was part of them."""

    def entering(self, status: Status, at: datetime, **changes: Any) -> Self:
        """The state after a step into `status` at `at`; `changes` go before the status's own consequences."""
        if status not in (Status.NO_SHOW, Status.CANCELLED):
            changes.setdefault("absent_party", None)
        base = self._next(at, status=status, next_attempt_at=None, needs_attention=False, **changes)
        match status:
            case Status.PENDING:
                return base._with(attempt=0, next_attempt_at=None if base.awaits_payment else at)
            case Status.ASSIGNED:
                return base._with(attempt=base.attempt + 1)
            case Status.ACCEPTED:
                return base._with(accepted_once=True)
            case Status.REJECTED:
                return base._refused()._retrying(at)
            case Status.NO_SHOW:
                return base._after_no_show(at)
            case _:
                return base

    def assignment_failed(self, at: datetime) -> Self:
        """The state after an attempt that found no provider free."""
        return self._next(at, attempt=self.attempt + 1)._retrying(at)

    def flagged(self, at: datetime) -> Self:
        """The state after the booking was flagged for an admin; automatic assignment pauses."""
        return self._next(at, needs_attention=True, next_attempt_at=None)

    def payment_asked(self, at: datetime) -> Self:
        """The state after the customer was asked to pay."""
        return self._next(at, next_attempt_at=None)

    def paid(self, at: datetime) -> Self:
        """The state after the gateway has promised the money: a booking that waited for it is assigned at once."""
        after = self._next(at, payment=PaymentGate.AUTHORIZED)
        if self.status is Status.PENDING and not self.needs_attention:
            return after._with(next_attempt_at=at)
        return after

    @property
    def job_holder_id(self) -> UUID | None:
        """The provider who was told that they have the job; one whose time is merely reserved was not."""
        has_it = self.status in HAS_PROVIDER
        if self.status is Status.NO_SHOW:
            has_it = self.absent_party is not Party.PROVIDER
        return self.provider_id if has_it else None

    @property
    def free_until(self) -> datetime:
        """The moment from which on a customer's cancellation costs the policy's fee."""
        window = timedelta(minutes=self.policy.cancellation.window_minutes)
        return min(self.starts_at - window, self.fee_owed_since or self.starts_at)

    @property
    def awaits_payment(self) -> bool:
        """Whether it waits for its payment before anything else."""
        return self.status is Status.PENDING and self.payment is PaymentGate.AWAITING

    def rescheduled(self, at: datetime, starts_at: datetime, ends_at: datetime, **changes: Any) -> Self:
        """The state after a move: same status, a new round of attempts, reminders planned anew."""
        moved = self._next(
            at,
            starts_at=starts_at,
            ends_at=ends_at,
            planned_from=at,
            needs_attention=False,
            **changes,
        )
        if moved.status in (Status.PENDING, Status.REJECTED):
            return moved._with(attempt=0, next_attempt_at=at)
        return moved._with(attempt=min(moved.attempt, 1))

    def _after_no_show(self, at: datetime) -> Self:
        if self.absent_party is Party.PROVIDER:
            return self._refused()._retrying(at)
        review = self.policy.customer_no_show is CustomerNoShow.REVIEW
        return self._with(needs_attention=review or self.absent_party is None)

    def _refused(self) -> Self:
        if self.provider_id is None or self.provider_id in self.refused_provider_ids:
            return self
        return self._with(refused_provider_ids=(*self.refused_provider_ids, self.provider_id))

    def _retrying(self, at: datetime) -> Self:
        backoff = self.policy.backoff
        if self.attempt >= backoff.attempts:
            return self._with(next_attempt_at=None, needs_attention=True)
        return self._with(next_attempt_at=at + backoff.wait_before(self.attempt + 1))

    def _next(self, at: datetime, **changes: Any) -> Self:
        return self._with(version=self.version + 1, phase_since=at, **changes)

    def _with(self, **changes: Any) -> Self:
        return self.model_copy(update=changes)
