"""Stored rows as an export has them, and an import takes them."""

from collections.abc import Sequence
from typing import Any

from api.schedule.clock_times import Weekday, clock
from api.services import ServiceOut
from api.transfer.shapes import COLUMNS, ConsentRow, Section
from db.repositories.rows import Row
from domain.areas import AreaKind

Shown = dict[str, Any]


def service(row: Row) -> Shown:
    return ServiceOut.of(row).model_dump(mode="json", exclude={"id"})


def provider(row: Row) -> Shown:
    return {name: row[name] for name in COLUMNS[Section.PROVIDERS]} | {"rating": float(row["rating"])}


def hours(row: Row) -> Shown:
    day = Weekday.numbered(row["weekday"])
    return {"provider": row["provider"], "day": day} | _interval(row)


def exception(row: Row) -> Shown:
    return {name: row[name] for name in ("provider", "date", "kind", "name", "yearly")} | _interval(row)


def time_off(row: Row) -> Shown:
    return {name: row[name] for name in COLUMNS[Section.TIME_OFF]}


def area(row: Row) -> Shown:
    is_range = row["kind"] == AreaKind.RANGE
    return {
        "provider": row["provider"],
        "kind": row["kind"],
        "code": None if is_range else row["first"],
        "from": row["first"] if is_range else None,
        "to": row["last"],
    }


def customer(row: Row, consents: Sequence[Row]) -> Shown:
    """A customer with the latest consent for each purpose."""
    said = [{name: consent[name] for name in ConsentRow.model_fields} for consent in consents]
    return {name: row[name] for name in COLUMNS[Section.CUSTOMERS]} | {"consents": said}


def flat(shown: Shown) -> Shown:
    """The same with a service's price in columns of its own."""
    price = shown.get("price")
    return (
        shown if price is None else {**shown, "price_minor": price["amount_minor"], "currency": price["currency"]}
    )


def _interval(row: Row) -> Shown:
    opens, closes = row["opens_minute"], row["closes_minute"]
    if opens is None:
        return {"opens": None, "closes": None}
    return {"opens": clock(opens), "closes": clock(closes)}
