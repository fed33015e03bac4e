"""What the simulated vendors were asked and what they did, as a page for people."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dev.vendors.callbacks import Manner
from dev.vendors.fault_modes import Behaviour, FaultMode
from dev.vendors.ledger import Entry, Json
from dev.vendors.simulated import Simulated
from domain.effects import PORT_OF, Port, Vendor

_SHOWN: Final = 100
"""Entries of each part, at most."""
_LONGEST: Final = 4000
"""Characters of one text."""
_SHORT: Final = 40
_NOTHING: Final[tuple[Any, ...]] = (None, "", [], {})
_TITLES: Final = {
    Port.EMAIL: ("E-mails", "No e-mail was sent yet."),
    Port.SMS: ("Texts", "No text was sent yet."),
    Port.PAYMENTS: ("Payments", "No payment was asked for yet."),
    Port.JOBS: ("Jobs", "No job was made yet."),
    Port.WEBHOOKS: ("Webhooks received", "No webhook came in yet."),
    Port.ANALYTICS: ("Analytics", "No conversion was reported yet."),
    Port.STORAGE: ("Storage", "No file was stored yet."),
}
WEBHOOK_RECEIVER: Final = "webhook_receiver"
_ADDRESSED: Final = ("to", "subject")
_EVENT: Final = ("type",)
_MESSAGE: Final = ("text", "body", "html", "ics")
MOODS: Final = {
    FaultMode.WELL: "answers as documented",
    FaultMode.RATE_LIMITED: "429, come back later",
    FaultMode.FAILING: "fails (500)",
    FaultMode.SLOW: "is slow",
    FaultMode.HANG: "hangs",
    FaultMode.REPLY_LOST: "does it, but the reply is lost",
}
MANNERS: Final = {
    Manner.ONCE: "calls back once",
    Manner.TWICE: "calls back twice",
    Manner.REVERSED: "keeps its calls back, for the opposite order",
    Manner.NEVER: "does not call back",
}
POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-vendors'; connect-src 'self'; form-action "
    "'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Of the page's content: what vendors were sent is shown, and never run."""

_templates: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
)


@dataclass(frozen=True, slots=True)
class Line:
    """An entry of the ledger as it is shown."""

    number: int
    """Its place in the ledger; stays with it."""
    entry: Entry
    time: str
    title: str
    body: str
    is_long: bool
    html: str
    has_calendar: bool
    facts: str
    """What is short enough to stand beside the title."""
    rest: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Part:
    """The entries of one port."""

    key: str
    title: str
    empty: str
    standing: list[Json]
    lines: list[Line]
    total: int


@dataclass(frozen=True, slots=True)
class Control:
    """How a vendor behaves, and what it can be told."""

    name: str
    mood: str
    particulars: str
    calls: str | None
    """How it calls back; none: it does not."""
    asked: int
    waiting: int


def render(entries: Sequence[Entry], vendors: Iterable[Simulated], files: Sequence[str] = ()) -> str:
    """The whole page; `files` are the keys of what is stored."""
    vendors = list(vendors)
    template = _templates.get_template("page.html")
    return template.render(
        parts=[_part(port, entries, _standing(port, vendors, files)) for port in _TITLES],
        controls=[_control(vendor, entries) for vendor in vendors],
        moods=MOODS,
        manners=MANNERS,
        total=len(entries),
    )


def _standing(port: Port, vendors: Iterable[Simulated], files: Sequence[str]) -> list[Json]:
    if port is Port.STORAGE:
        return [{"file": file} for file in files]
    return [one for vendor in vendors if port_of(vendor.name) is port for one in vendor.standing()]


def _part(port: Port, entries: Sequence[Entry], standing: list[Json]) -> Part:
    found = [(number, entry) for number, entry in enumerate(entries) if port_of(entry.vendor) is port]
    title, empty = _TITLES[port]
    lines = [_line(number, entry) for number, entry in reversed(found[-_SHOWN:])]
    return Part(port, title, empty, standing[-_SHOWN:], lines, len(found))


def port_of(vendor: str) -> Port | None:
    """The port of a vendor by its name; none of one that only the simulator knows."""
    if vendor == WEBHOOK_RECEIVER:
        return Port.WEBHOOKS
    try:
        return PORT_OF[Vendor(vendor)]
    except ValueError:
        return None


def _line(number: int, entry: Entry) -> Line:
    detail = entry.detail
    calendar = detail.get("ics")
    titles = _EVENT if "type" in detail else _ADDRESSED
    rest = {name: value for name, value in detail.items() if name not in (*titles, *_MESSAGE)}
    if isinstance(calendar, str) and calendar:
        rest["calendar"] = calendar
    body = _words(detail.get("text") or detail.get("body") or "").strip()
    told = [(name.replace("_", " "), _words(value)) for name, value in rest.items() if value not in _NOTHING]
    title = " · ".join(_words(detail[name]) for name in titles if detail.get(name))
    short = 0 if title else _SHORT
    return Line(
        number=number,
        entry=entry,
        time=entry.at.strftime("%H:%M:%S"),
        title=title,
        body=body,
        is_long="\n" in body,
        html=_words(detail.get("html") or ""),
        has_calendar=bool(calendar),
        facts=" · ".join(f"{name} {words}" for name, words in told if len(words) <= short),
        rest=[(name, words) for name, words in told if len(words) > short],
    )


def _words(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = ", ".join(value)
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def _control(vendor: Simulated, entries: Sequence[Entry]) -> Control:
    behaviour = vendor.moods.behaviour()
    asked = sum(entry.vendor == vendor.name for entry in entries)
    calls = vendor.calls_back_by()
    manner = None if calls is None else calls.manner
    return Control(vendor.name, behaviour.mood, _particulars(behaviour), manner, asked, vendor.moods.waiting)


def _particulars(behaviour: Behaviour) -> str:
    if behaviour.mood is FaultMode.WELL:
        return ""
    often = "until told otherwise" if behaviour.times is None else f"{behaviour.times} more"
    seconds = f", {behaviour.seconds:g} s" if behaviour.mood in (FaultMode.SLOW, FaultMode.RATE_LIMITED) else ""
    return f"{often}{seconds}"
