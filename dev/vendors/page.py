"""A page that shows the requests to the simulated vendors and their results."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dev.vendors.base import SimulatedVendor
from dev.vendors.callbacks import CallbackMode
from dev.vendors.fault_modes import Behaviour, FaultMode
from dev.vendors.ledger import Entry, Json
from domain.effects import PORT_OF, Port, Vendor

_SHOWN: Final = 100
"""Maximum entries per section."""
_LONGEST: Final = 4000
"""Maximum characters per text."""
_SHORT: Final = 40
_NOTHING: Final[tuple[Any, ...]] = (None, "", [], {})
_TITLES: Final = {
    Port.EMAIL: ("E-mails", "No e-mail was sent yet."),
    Port.SMS: ("Texts", "No text was sent yet."),
    Port.PAYMENTS: ("Payments", "No payment was requested yet."),
    Port.JOBS: ("Jobs", "No job was made yet."),
    Port.WEBHOOKS: ("Webhooks received", "No webhook came in yet."),
    Port.ANALYTICS: ("Analytics", "No conversion was reported yet."),
    Port.STORAGE: ("Storage", "No file was stored yet."),
}
WEBHOOK_RECEIVER: Final = "webhook_receiver"
_ADDRESSED: Final = ("to", "subject")
_EVENT: Final = ("type",)
_MESSAGE: Final = ("text", "body", "html", "ics")
FAULT_MODE_LABELS: Final = {
    FaultMode.WELL: "answers as documented",
    FaultMode.RATE_LIMITED: "rate-limits (429)",
    FaultMode.FAILING: "fails (500)",
    FaultMode.SLOW: "is slow",
    FaultMode.HANG: "hangs",
    FaultMode.REPLY_LOST: "carries out, loses the reply",
}
CALLBACK_MODE_LABELS: Final = {
    CallbackMode.ONCE: "calls back once",
    CallbackMode.TWICE: "calls back twice",
    CallbackMode.REVERSED: "holds callbacks back, for reverse order",
    CallbackMode.NEVER: "does not call back",
}
POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-vendors'; connect-src 'self'; form-action "
    "'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""The page's Content-Security-Policy: the content of requests is shown and never executed."""

_templates: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
)


@dataclass(frozen=True, slots=True)
class Line:
    """A ledger entry, prepared for the template."""

    number: int
    """Its index in the ledger, which never changes."""
    entry: Entry
    time: str
    title: str
    body: str
    is_long: bool
    html: str
    has_calendar: bool
    summary: str
    """Short details, shown beside the title."""
    details: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Section:
    """The entries of one port."""

    key: str
    title: str
    empty: str
    current_items: list[Json]
    lines: list[Line]
    total: int


@dataclass(frozen=True, slots=True)
class Control:
    """A vendor's current behaviour, and the form that changes it."""

    name: str
    mode: str
    details: str
    callback_mode: str | None
    """None: it sends no callbacks."""
    requests: int
    waiting: int


def render(entries: Sequence[Entry], vendors: Iterable[SimulatedVendor], files: Sequence[str] = ()) -> str:
    """Render the page; `files` are the keys in the S3 store."""
    vendors = list(vendors)
    template = _templates.get_template("page.html")
    return template.render(
        sections=[_section(port, entries, _current(port, vendors, files)) for port in _TITLES],
        controls=[_control(vendor, entries) for vendor in vendors],
        fault_modes=FAULT_MODE_LABELS,
        callback_modes=CALLBACK_MODE_LABELS,
        total=len(entries),
    )


def _current(port: Port, vendors: Iterable[SimulatedVendor], files: Sequence[str]) -> list[Json]:
    if port is Port.STORAGE:
        return [{"file": file} for file in files]
    return [one for vendor in vendors if port_of(vendor.name) is port for one in vendor.current_items()]


def _section(port: Port, entries: Sequence[Entry], current_items: list[Json]) -> Section:
    found = [(number, entry) for number, entry in enumerate(entries) if port_of(entry.vendor) is port]
    title, empty = _TITLES[port]
    lines = [_line(number, entry) for number, entry in reversed(found[-_SHOWN:])]
    return Section(port, title, empty, current_items[-_SHOWN:], lines, len(found))


def port_of(vendor: str) -> Port | None:
    """The port of a vendor by its name; None for vendors that only the simulator has."""
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
    details = {name: value for name, value in detail.items() if name not in (*titles, *_MESSAGE)}
    if isinstance(calendar, str) and calendar:
        details["calendar"] = calendar
    body = _text(detail.get("text") or detail.get("body") or "").strip()
    facts = [(name.replace("_", " "), _text(value)) for name, value in details.items() if value not in _NOTHING]
    title = " · ".join(_text(detail[name]) for name in titles if detail.get(name))
    short = 0 if title else _SHORT
    return Line(
        number=number,
        entry=entry,
        time=entry.at.strftime("%H:%M:%S"),
        title=title,
        body=body,
        is_long="\n" in body,
        html=_text(detail.get("html") or ""),
        has_calendar=bool(calendar),
        summary=" · ".join(f"{name} {words}" for name, words in facts if len(words) <= short),
        details=[(name, words) for name, words in facts if len(words) > short],
    )


def _text(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = ", ".join(value)
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def _control(vendor: SimulatedVendor, entries: Sequence[Entry]) -> Control:
    behaviour = vendor.fault_modes.behaviour()
    requests = sum(entry.vendor == vendor.name for entry in entries)
    callbacks = vendor.callback_sender()
    return Control(
        name=vendor.name,
        mode=behaviour.mode,
        details=_details(behaviour),
        callback_mode=None if callbacks is None else callbacks.mode,
        requests=requests,
        waiting=vendor.fault_modes.waiting,
    )


def _details(behaviour: Behaviour) -> str:
    if behaviour.mode is FaultMode.WELL:
        return ""
    often = "until changed" if behaviour.times is None else f"{behaviour.times} more"
    seconds = f", {behaviour.seconds:g} s" if behaviour.mode in (FaultMode.SLOW, FaultMode.RATE_LIMITED) else ""
    return f"{often}{seconds}"
