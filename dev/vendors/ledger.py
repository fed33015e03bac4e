"""The ledger of the simulated vendors: all requests and their results, to compare with Holdfast's records."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One request to a vendor."""

    vendor: str
    account: str
    """From the request's credentials."""
    action: str
    """Such as `mail.send` or `payment_intent.capture`."""
    key: str | None = None
    """The caller's identifier: an idempotency key, a message id or a custom id."""
    applied: bool = True
    """Whether it had an effect: false for repetitions and refused requests."""
    detail: Json = field(default_factory=dict)
    """Details for the page. Messages: `to`, `subject`, `text`, `html` and `ics` (the calendar file, or whether
    there is one); payments: `id`, `amount`, `currency`, `status`; others: any JSON."""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def as_json(self) -> Json:
        return asdict(self) | {"at": self.at.isoformat()}


class Ledger:
    """Entries in order, in memory only."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._listeners: list[Callable[[Entry], None]] = []

    def add(self, entry: Entry) -> None:
        self._entries.append(entry)
        for listener in self._listeners:
            listener(entry)

    def listen(self, listener: Callable[[Entry], None]) -> None:
        """Call the listener with every new entry."""
        self._listeners.append(listener)

    def entries(
        self,
        vendor: str | None = None,
        *,
        account: str | None = None,
        action: str | None = None,
        applied: bool | None = None,
    ) -> list[Entry]:
        """The matching entries, oldest first."""
        return list(self._matching(vendor, account, action, applied))

    def clear(self) -> None:
        self._entries.clear()

    def _matching(
        self, vendor: str | None, account: str | None, action: str | None, applied: bool | None
    ) -> Iterator[Entry]:
        for entry in self._entries:
            if (
                vendor in (None, entry.vendor)
                and account in (None, entry.account)
                and action in (None, entry.action)
                and applied in (None, entry.applied)
            ):
                yield entry
