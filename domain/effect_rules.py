"""The effects of a step besides messages and webhooks: jobs, analytics, payments. They commit with the step."""

from domain.booking import BookingState
from domain.effects import EffectKind, Planned, Port, SequenceKey
from domain.lifecycle import Role, Status
from domain.payments import Collect
from domain.steps import Reason, Step, StepKind


def effects_of_step(step: Step, after: BookingState) -> list[Planned]:
    """The effects of a step that led to `after`, in the order of their execution."""
    return [*_of_the_job(step, after), *_of_analytics(step, after), *_of_the_payment(step, after)]


def _confirms(step: Step, after: BookingState) -> bool:
    """Whether this step accepts the booking."""
    return after.status is Status.ACCEPTED and step.kind in (StepKind.TRANSITION, StepKind.OVERRIDE)


def _of_the_job(step: Step, after: BookingState) -> list[Planned]:
    """The job exists from the first acceptance on, and then follows the booking.

    It shows the time and the provider. A step that changes neither leaves it alone: staff may have edited it.
    """
    if not after.accepted_once:
        return []
    if _confirms(step, after):
        return [_job(EffectKind.CREATE_JOB, after)]
    if after.status is Status.CANCELLED:
        return [_job(EffectKind.CANCEL_JOB, after)]
    given = after.status is Status.ASSIGNED and step.kind in (StepKind.TRANSITION, StepKind.OVERRIDE)
    changes_it = given or step.kind is StepKind.RESCHEDULED
    return [_job(EffectKind.UPDATE_JOB, after)] if changes_it else []


def _job(kind: EffectKind, after: BookingState) -> Planned:
    key = f"{after.booking_id}/{after.version}/{kind}"
    return Planned(
        kind=kind, port=Port.JOBS, key=key, sequence_key=SequenceKey.JOB, subject={"version": after.version}
    )


def _of_analytics(step: Step, after: BookingState) -> list[Planned]:
    """A booking is one conversion: when it is accepted for the first time."""
    if not _confirms(step, after):
        return []
    kind = EffectKind.REPORT_CONVERSION
    return [Planned(kind=kind, port=Port.ANALYTICS, key=f"{after.booking_id}/{kind}")]


def _of_the_payment(step: Step, after: BookingState) -> list[Planned]:
    """Capture after acceptance or completion; settle at a cancellation.

    When a cancelled booking is reopened, the gateway is asked what is left to continue with.
    """
    if after.payment is None:
        return []
    if after.status is Status.CANCELLED:
        fee = fee_percent(step, after)
        return [_payment(EffectKind.SETTLE_PAYMENT, after, fee_percent=fee, version=after.version)]
    if step.old_status is Status.CANCELLED and after.awaits_payment:
        return [_payment(EffectKind.SYNC_PAYMENT, after)]
    if after.status is Status.COMPLETED:
        return [_payment(EffectKind.CAPTURE_PAYMENT, after)]
    if step.kind is StepKind.PAID or _confirms(step, after):
        served = after.status in (Status.ACCEPTED, Status.IN_PROGRESS)
        return [_payment(EffectKind.CAPTURE_PAYMENT, after, collect=Collect.BOOKING)] if served else []
    return []


def _payment(kind: EffectKind, after: BookingState, **subject: object) -> Planned:
    key = f"{after.booking_id}/{after.version}/{kind}"
    return Planned(kind=kind, port=Port.PAYMENTS, key=key, sequence_key=SequenceKey.PAYMENT, subject=subject)


def fee_percent(step: Step, after: BookingState) -> int:
    """The cancellation fee as a percentage of the price.

    Only customers are charged, and only for what they do: cancelling within the window, or after a move within it,
    or not coming. Cancellations by staff or by the system are free.
    """
    too_late = step.actor.role is Role.CUSTOMER and step.at >= after.free_until
    did_not_come = step.actor.role is Role.SYSTEM and step.reason == Reason.CUSTOMER_NO_SHOW
    return after.policy.cancellation.fee_percent if too_late or did_not_come else 0
