"""What a step sets off beside messages and webhooks. The effects are committed with the step."""

from domain.booking import BookingState
from domain.effects import EffectKind, Lane, Planned, Port
from domain.lifecycle import Status
from domain.steps import Step, StepKind


def effects_of_step(step: Step, after: BookingState) -> list[Planned]:
    """The effects of a step that led to `after`, in the order in which they are carried out."""
    return [*_of_the_job(step, after), *_of_analytics(step, after)]


def _confirms(step: Step, after: BookingState) -> bool:
    """Whether the booking is accepted by this step."""
    return after.status is Status.ACCEPTED and step.kind in (StepKind.TRANSITION, StepKind.OVERRIDE)


def _of_the_job(step: Step, after: BookingState) -> list[Planned]:
    """The job in the business's own system is there from the first acceptance on, and follows the booking then."""
    if not after.accepted_once:
        return []
    if _confirms(step, after):
        return [_job(EffectKind.CREATE_JOB, after)]
    if after.status is Status.CANCELLED:
        return [_job(EffectKind.CANCEL_JOB, after)]
    return [_job(EffectKind.UPDATE_JOB, after)]


def _job(kind: EffectKind, after: BookingState) -> Planned:
    key = f"{after.booking_id}/{after.version}/{kind}"
    return Planned(kind=kind, port=Port.JOBS, key=key, lane=Lane.JOB, subject={"version": after.version})


def _of_analytics(step: Step, after: BookingState) -> list[Planned]:
    """A booking converts once: when it is accepted for the first time."""
    if not _confirms(step, after):
        return []
    kind = EffectKind.REPORT_CONVERSION
    return [Planned(kind=kind, port=Port.ANALYTICS, key=f"{after.booking_id}/{kind}")]
