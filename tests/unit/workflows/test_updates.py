"""Temporal finds each command's update under its name, with the types that it decodes and encodes."""

import pytest
from temporalio import workflow

from domain import commands, names
from domain.booking import BookingState
from domain.commands import BookingCommand, update_name
from domain.lifecycle import Command
from workflows.booking import BookingWorkflow

UPDATES: dict[str, type[BookingCommand]] = {
    "accept": commands.Accept,
    "reject": commands.Reject,
    "start": commands.Start,
    "complete": commands.Complete,
    "no_show": commands.NoShow,
    "cancel": commands.Cancel,
    "reschedule": commands.Reschedule,
    "assign": commands.Assign,
    "override": commands.Override,
}

_DEFINED = workflow._Definition.must_from_class(BookingWorkflow).updates


def test_there_is_one_update_for_each_command_and_one_to_catch_up() -> None:
    assert set(_DEFINED) - {names.CATCH_UP_TO} == set(UPDATES) == {update_name(kind) for kind in Command}


@pytest.mark.parametrize(("name", "argument"), UPDATES.items())
def test_an_update_has_its_name_argument_result_and_validator(name: str, argument: type[BookingCommand]) -> None:
    update = _DEFINED[name]
    assert (update.name, update.arg_types, update.ret_type) == (name, [argument], BookingState)
    assert update.validator is not None
    assert update_name(argument.kind) == name
    assert getattr(BookingWorkflow, name)._defn is update
