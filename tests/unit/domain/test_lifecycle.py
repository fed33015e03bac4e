"""The table of eight by eight statuses, and who may use it."""

import itertools

import pytest

from domain.commands import check
from domain.errors import HoldfastError
from domain.lifecycle import (
    HOLDS_TIME,
    RELEASES_TIME,
    TERMINAL,
    Command,
    Role,
    Status,
    allowed_from,
    command_fits,
    is_terminal,
    may_command,
    may_follow,
)
from domain.transitions import decide
from tests.support.domain import builders, contract

CELLS = list(itertools.product(contract.STATUSES, contract.STATUSES))


def test_the_statuses_roles_and_commands_are_those_of_the_contract() -> None:
    assert [str(status) for status in Status] == list(contract.STATUSES)
    assert {str(role) for role in Role} == set(contract.ROLES)
    assert {str(command) for command in Command} == set(contract.GIVEN_BY)


@pytest.mark.parametrize(("old", "new"), CELLS)
def test_each_cell_of_the_table(old: str, new: str) -> None:
    assert may_follow(Status(old), Status(new)) is (new in contract.FOLLOWING[old])


@pytest.mark.parametrize("status", contract.STATUSES)
def test_what_is_allowed_is_listed_in_the_table_s_order(status: str) -> None:
    assert sorted(allowed_from(Status(status))) == sorted(contract.FOLLOWING[status])
    order = [contract.STATUSES.index(following) for following in allowed_from(Status(status))]
    assert order == sorted(order)


@pytest.mark.parametrize("role", contract.ROLES)
@pytest.mark.parametrize(("old", "new"), CELLS)
def test_each_cell_of_the_table_for_each_role(old: str, new: str, role: str) -> None:
    by_table = {name for name, target in contract.LEADS_TO.items() if target == new}
    expected = {name for name in by_table & contract.COMMANDS[old] if role in contract.GIVEN_BY[name]}
    if role == "admin":
        expected.add("override")
    assert _ways(Role(role), Status(old), Status(new)) == expected


def _ways(role: Role, old: Status, new: Status) -> set[str]:
    """The commands by which this role brings a booking from `old` to `new`."""
    return {str(kind) for kind in Command if _arrives(kind, role, old, new)}


def _arrives(kind: Command, role: Role, old: Status, new: Status) -> bool:
    state = builders.booking(old)
    particulars = {"status": new} if kind is Command.OVERRIDE else {}
    command = builders.command(kind, builders.actor(role), **particulars)
    try:
        check(state, command)
    except HoldfastError:
        return False
    return kind is not Command.RESCHEDULE and decide(state, command, builders.NOW).after.status is new


@pytest.mark.parametrize("command", contract.GIVEN_BY)
@pytest.mark.parametrize("role", contract.ROLES)
def test_each_command_is_given_by_the_roles_of_the_contract(role: str, command: str) -> None:
    assert may_command(Role(role), Command(command)) is (role in contract.GIVEN_BY[command])


@pytest.mark.parametrize("command", contract.GIVEN_BY)
@pytest.mark.parametrize("status", contract.STATUSES)
def test_each_status_takes_the_commands_of_the_contract(status: str, command: str) -> None:
    expected = command == "override" or command in contract.COMMANDS[status]
    assert command_fits(Command(command), Status(status)) is expected


def test_only_completed_and_cancelled_are_the_end() -> None:
    assert {"completed", "cancelled"} == TERMINAL
    assert [str(status) for status in Status if is_terminal(status)] == ["completed", "cancelled"]


def test_a_status_that_releases_time_never_needs_it() -> None:
    assert {"assigned", "accepted", "in_progress"} == HOLDS_TIME
    assert {"rejected", "no_show", "cancelled"} == RELEASES_TIME
