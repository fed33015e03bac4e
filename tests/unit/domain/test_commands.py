"""The one check that every command passes."""

from datetime import timedelta

import pytest

from domain.booking import Actor
from domain.commands import check, check_at
from domain.errors import AppointmentBegunError, ForbiddenError, InvalidTransitionError, StaleError
from domain.lifecycle import NOT_STARTED, Command, Role, Status
from tests.support.domain import contract
from tests.support.domain.builders import ADMIN, BEN, CUSTOMER, OWNER, PROVIDER, actor, booking, command


@pytest.mark.parametrize("kind", Command)
def test_the_engine_itself_gives_no_commands(kind: Command) -> None:
    with pytest.raises(ForbiddenError):
        check(booking(Status.ASSIGNED), command(kind, actor(Role.SYSTEM)))


@pytest.mark.parametrize("status", sorted(NOT_STARTED))
def test_customers_move_an_appointment_until_it_begins_and_the_desk_later_too(status: Status) -> None:
    state = booking(status)
    check_at(state, command(Command.RESCHEDULE, CUSTOMER), state.starts_at - timedelta(seconds=1))
    with pytest.raises(AppointmentBegunError):
        check_at(state, command(Command.RESCHEDULE, CUSTOMER), state.starts_at)
    for by, kind in ((OWNER, Command.RESCHEDULE), (ADMIN, Command.RESCHEDULE), (CUSTOMER, Command.CANCEL)):
        check_at(state, command(kind, by), state.starts_at)


def test_the_role_is_judged_before_the_status() -> None:
    with pytest.raises(ForbiddenError, match="A customer may not accept"):
        check(booking(Status.COMPLETED), command(Command.ACCEPT, CUSTOMER))


@pytest.mark.parametrize("status", Status)
def test_a_refusal_says_where_the_booking_stands_and_what_would_be_possible(status: Status) -> None:
    refused = next(kind for kind in Command if kind not in contract.COMMANDS[status])
    with pytest.raises(InvalidTransitionError) as caught:
        check(booking(status), command(refused, ADMIN))
    assert caught.value.extra == {"current_status": str(status), "allowed": contract.FOLLOWING[status]}
    assert caught.value.code == "invalid_transition"


def test_a_provider_answers_only_their_own_bookings() -> None:
    check(booking(Status.ASSIGNED), command(Command.ACCEPT, PROVIDER))
    with pytest.raises(ForbiddenError, match="another provider"):
        check(booking(Status.ASSIGNED, provider_id=BEN), command(Command.ACCEPT, PROVIDER))


@pytest.mark.parametrize("by", [OWNER, ADMIN])
def test_the_desk_answers_for_any_provider(by: Actor) -> None:
    check(booking(Status.ASSIGNED, provider_id=BEN), command(Command.ACCEPT, by))


@pytest.mark.parametrize("target", Status)
@pytest.mark.parametrize("status", Status)
def test_an_admin_may_override_any_status_with_any(status: Status, target: Status) -> None:
    check(booking(status), command(Command.OVERRIDE, ADMIN, status=target))


@pytest.mark.parametrize("kind", [Command.ACCEPT, Command.RESCHEDULE, Command.OVERRIDE])
def test_a_command_that_is_meant_for_another_version_is_stale(kind: Command) -> None:
    state = booking(Status.ASSIGNED)
    for version in (None, state.version):
        check(state, command(kind, ADMIN, expected_version=version))
    for version in (state.version - 1, state.version + 1):
        with pytest.raises(StaleError):
            check(state, command(kind, ADMIN, expected_version=version))


def test_who_may_and_what_is_possible_are_judged_before_the_version() -> None:
    with pytest.raises(ForbiddenError):
        check(booking(Status.ASSIGNED), command(Command.ACCEPT, CUSTOMER, expected_version=1))
    with pytest.raises(InvalidTransitionError):
        check(booking(Status.COMPLETED), command(Command.ACCEPT, ADMIN, expected_version=1))


def test_a_command_carries_no_text_that_somebody_typed() -> None:
    """Reasons are stored and named by id, so that no workflow payload holds personal data."""
    for kind in Command:
        members = set(type(command(kind, ADMIN)).model_fields)
        particulars = members - {
            "actor",
            "remark_id",
            "reason",
            "command_id",
            "correlation_id",
            "expected_version",
        }
        assert particulars <= {"party", "starts_at", "provider_id", "status"}
