"""Which steps of a booking create, change and cancel its job."""

from typing import Any

import pytest

from domain.booking import SYSTEM
from domain.effect_rules import effects_of_step
from domain.effects import EffectKind, Port, SequenceKey
from domain.lifecycle import Status
from domain.steps import Hold, Step, StepKind
from tests.support.domain.builders import NOW, booking


def planned(kind: StepKind, **state: Any) -> list[tuple[EffectKind, SequenceKey | None]]:
    """The job's effects of a step into this state."""
    after = booking(**state)
    step = Step(
        kind=kind,
        key="k",
        old_status=Status.ASSIGNED,
        was_flagged=False,
        after=after,
        hold=Hold.KEEP,
        at=NOW,
        actor=SYSTEM,
    )
    return [(one.kind, one.sequence_key) for one in effects_of_step(step, after) if one.port is Port.JOBS]


@pytest.mark.parametrize(
    ("kind", "status", "effect"),
    [
        (StepKind.TRANSITION, Status.ACCEPTED, EffectKind.CREATE_JOB),
        (StepKind.OVERRIDE, Status.ACCEPTED, EffectKind.CREATE_JOB),
        (StepKind.RESCHEDULED, Status.ACCEPTED, EffectKind.UPDATE_JOB),
        (StepKind.TRANSITION, Status.ASSIGNED, EffectKind.UPDATE_JOB),
        (StepKind.TRANSITION, Status.CANCELLED, EffectKind.CANCEL_JOB),
        (StepKind.FLAGGED, Status.ACCEPTED, None),
        (StepKind.FLAGGED, Status.ASSIGNED, None),
        (StepKind.TRANSITION, Status.IN_PROGRESS, None),
        (StepKind.TRANSITION, Status.COMPLETED, None),
    ],
)
def test_a_job_is_there_from_the_first_acceptance_on_and_follows_when_and_with_whom(
    kind: StepKind, status: Status, effect: EffectKind | None
) -> None:
    expected = [] if effect is None else [(effect, SequenceKey.JOB)]
    assert planned(kind, status=status, accepted_once=True) == expected
    if status is not Status.ACCEPTED:
        assert planned(kind, status=status, accepted_once=False) == []
