"""Reports: figures aggregated from the counts that the database returns."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from domain.lifecycle import Status
from domain.zones import begins, moment

MOST_DAYS: Final = 400


class GroupBy(StrEnum):
    DAY = "day"
    SERVICE = "service"
    PROVIDER = "provider"


@dataclass
class Figures:
    """Figures of a group of bookings. Money is in minor units, by currency."""

    bookings: int = 0
    by_status: dict[str, int] = field(default_factory=lambda: dict.fromkeys(map(str, Status), 0))
    offers_accepted: int = 0
    offers_refused: int = 0
    no_shows: int = 0
    cancellations: int = 0
    revenue: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    paid: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def acceptance_rate(self) -> float | None:
        """Accepted offers as a share of the answered ones; None if none was answered."""
        answered = self.offers_accepted + self.offers_refused
        return round(self.offers_accepted / answered, 4) if answered else None

    def add(self, lot: Mapping[str, Any]) -> None:
        """Add the counts of bookings with the same status and currency."""
        self.bookings += lot["bookings"]
        self.by_status[lot["status"]] += lot["bookings"]
        self.offers_accepted += lot["offers_accepted"]
        self.offers_refused += lot["offers_refused"]
        self.no_shows += lot["no_shows"]
        if lot["status"] == Status.CANCELLED:
            self.cancellations += lot["bookings"] - lot["no_shows"]
        if lot["status"] == Status.COMPLETED:
            self.revenue[lot["currency"]] += lot["price_minor"]
        if lot["paid_minor"]:
            self.paid[lot["currency"]] += lot["paid_minor"]


def day_edges(first: date, last: date, zone: ZoneInfo) -> list[datetime]:
    """The local midnights from the first day to the day after the last."""
    days = (last - first).days + 2
    return [moment(begins(first + timedelta(days=n), 0, zone)) for n in range(days)]


def grouped(lots: Iterable[Mapping[str, Any]]) -> dict[Any, Figures]:
    """The figures of each group that has bookings."""
    found: dict[Any, Figures] = defaultdict(Figures)
    for lot in lots:
        found[lot["key"]].add(lot)
    return found


def totals(groups: Iterable[Figures]) -> Figures:
    """The sum of groups."""
    sum_ = Figures()
    for group in groups:
        for name in ("bookings", "offers_accepted", "offers_refused", "no_shows", "cancellations"):
            setattr(sum_, name, getattr(sum_, name) + getattr(group, name))
        for mine, others in (
            (sum_.by_status, group.by_status),
            (sum_.revenue, group.revenue),
            (sum_.paid, group.paid),
        ):
            for key, value in others.items():
                mine[key] += value
    return sum_
