"""What the simulated vendors were asked and what they did: the other side of our own records."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that a vendor was asked."""

    vendor: str
    account: str
    """Whose: by the credentials of the request."""
    action: str
    """What: `mail.send`, `payment_intent.capture`, …"""
    key: str | None = None
    """What the asker calls it: an idempotency key, a message id, a custom id."""
    applied: bool = True
    """Whether anything came of it: not of a repetition, nor of what was refused."""
    detail: Json = field(default_factory=dict)
    """What the page shows of it: of messages `to`, `subject`, `text`, `html` and `ics` (the calendar file, or
    whether there is one); of payments `id`, `amount`, `currency`, `status`; of all else what JSON can hold."""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def as_json(self) -> Json:
        return asdict(self) | {"at": self.at.isoformat()}


class Ledger:
    """Entries in order. It is kept in memory: the simulator forgets with its process."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._listeners: list[Callable[[Entry], None]] = []

    def add(self, entry: Entry) -> None:
        self._entries.append(entry)
        for listener in self._listeners:
            listener(entry)

    def listen(self, listener: Callable[[Entry], None]) -> None:
        """Call it with each entry from now on."""
        self._listeners.append(listener)

    def entries(
        self,
        vendor: str | None = None,
        *,
        account: str | None = None,
        action: str | None = None,
        applied: bool | None = None,
    ) -> list[Entry]:
        """Those that match, the first first."""
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
