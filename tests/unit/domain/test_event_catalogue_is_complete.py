"""What the code writes as events, and the catalogue, are the same types: read from the source."""

import ast
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Final

from domain.event_catalogue import CATALOGUE
from domain.events import event_type
from domain.lifecycle import Status
from domain.steps import StepKind

_ROOT: Final = Path(__file__).parents[3]
_PACKAGES: Final = ("domain", "db", "activities", "workflows", "api", "worker")
_CATALOGUE: Final = "domain/event_catalogue.py"
_TYPE: Final = re.compile(r"(business|scheduling|notification)(\.[a-z_]+){2,}|payment\.[a-z_]+")
_INSERTED_BY: Final = "db/repositories/event_emission.py"


def _sources() -> Iterator[tuple[str, ast.Module]]:
    for package in _PACKAGES:
        for path in sorted((_ROOT / package).rglob("*.py")):
            name = path.relative_to(_ROOT).as_posix()
            if name != _CATALOGUE and "/migrations/" not in name:
                yield name, ast.parse(path.read_text())


_SOURCES: Final = tuple(_sources())


def _texts() -> Iterator[tuple[str, str]]:
    """Every string constant, with the file that it is in."""
    for name, tree in _SOURCES:
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield name, node.value


def _first_words_of(function: str) -> set[str]:
    """The first string among the arguments of each call to functions or methods of this name."""
    calls = (node for _, tree in _SOURCES for node in ast.walk(tree) if isinstance(node, ast.Call))
    named = (call for call in calls if getattr(call.func, "attr", getattr(call.func, "id", None)) == function)
    words = ([arg.value for arg in call.args if isinstance(arg, ast.Constant)] for call in named)
    return {str(found[0]) for found in words if found}


def _written_literally() -> set[str]:
    return {text for _, text in _texts() if _TYPE.fullmatch(text)}


def test_every_type_in_the_code_is_in_the_catalogue() -> None:
    assert _written_literally() - CATALOGUE.keys() == set()


def test_every_type_in_the_catalogue_is_written_and_no_other() -> None:
    steps = {event_type(kind, status) for kind, status in product(StepKind, Status)}
    holds = {f"scheduling.hold.{what}" for what in _first_words_of("hold_events")}
    calendars = {f"business.availability.{what}" for what in _first_words_of("announce") if "." not in what}
    states = ("queued", "sent", "delivered", "failed")
    messages = {f"notification.{channel}.{state}" for channel, state in product(("email", "sms"), states)}
    written = _written_literally() | steps | holds | calendars | messages
    assert written == CATALOGUE.keys()


def test_events_are_inserted_in_one_place() -> None:
    inserting = {name for name, text in _texts() if re.search(r"INSERT INTO events\b", text)}
    assert inserting == {_INSERTED_BY}
