"""`/v1/businesses/{business}/report`: what a business's bookings add up to."""

import re
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, PlainValidator

from api import caching
from api.access import BusinessDep, needs
from api.deps import AppStateDep
from api.shapes import Money
from db.repositories import reports
from db.repositories.reports import BookingCounts
from domain.access import Permission
from domain.errors import InvalidRequestError
from domain.lifecycle import Status
from domain.reports import MOST_DAYS, Figures, GroupBy, day_edges, grouped, totals
from domain.zones import zone_named


class ReportFigures(BaseModel):
    bookings: int
    by_status: dict[Status, int]
    offers_accepted: int
    """Providers who took a booking and have kept it so far."""
    offers_refused: int
    """Providers who refused one, let its offer pass, or did not come."""
    acceptance_rate: float | None
    """Accepted by accepted and refused; none where nothing was answered yet."""
    no_shows: int
    """Bookings whose customer did not come."""
    cancellations: int
    """Cancelled bookings, but for those that a customer's absence ended."""
    revenue: list[Money]
    """The prices of completed bookings, by currency."""
    paid: list[Money]
    """What payment gateways captured for them, whatever their status, less what was given back."""


class ReportGroup(ReportFigures):
    key: date | UUID | None
    """The day, the service or the provider; none: bookings without a provider."""
    name: str | None
    """Of the service or the provider."""


class Report(BaseModel):
    from_: date = Field(alias="from")
    to: date
    timezone: str
    group_by: GroupBy
    totals: ReportFigures
    groups: list[ReportGroup]


router = APIRouter(prefix="/v1/businesses/{business}/report", tags=["reports"])

_DAY: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YEARS: Final = range(1970, 2200)


def _day(value: Any) -> date:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("write a date, as 2027-03-31")
    day = date.fromisoformat(value)
    if day.year not in _YEARS:
        raise ValueError(f"the year must lie between {_YEARS.start} and {_YEARS.stop}")
    return day


Day = Annotated[date, PlainValidator(_day, json_schema_input_type=date)]


@router.get("", operation_id="getReport", dependencies=[needs(Permission.READ_REPORTS)], response_model=Report)
async def get_report(
    business: BusinessDep,
    request: Request,
    app: AppStateDep,
    from_: Annotated[Day, Query(alias="from", description="The first day.")],
    to: Annotated[Day, Query(description="The last day.")],
    group_by: GroupBy = GroupBy.DAY,
) -> Response:
    """The bookings that start on these days, 400 at most, of the business's time zone: how many, and their money.

    It may be kept for a quarter of an hour. Days without a booking are listed too, services and providers are not.
    """
    if not timedelta() <= to - from_ < timedelta(days=MOST_DAYS):
        raise InvalidRequestError(f"`to` must not lie before `from`, and there may be {MOST_DAYS} days at most.")
    edges = day_edges(from_, to, zone_named(business["timezone"]))
    async with app.engine.connect() as conn:
        counted = await reports.count(conn, business["id"], edges, group_by)
    groups = _figures(counted)
    shown = {
        "from": from_,
        "to": to,
        "timezone": business["timezone"],
        "group_by": group_by,
        "totals": _shown(totals(groups.values())),
        "groups": _by_day(groups, from_, to) if group_by is GroupBy.DAY else _by_name(groups, counted.names),
    }
    return caching.cached(request, shown, caching.REPORT)


def _figures(counted: BookingCounts) -> dict[Any, Figures]:
    found = grouped(counted.lots)
    for row in counted.refusals:
        found[row["key"]].offers_refused += row["offers_refused"]
    return found


def _by_day(groups: Mapping[Any, Figures], first: date, last: date) -> list[dict[str, Any]]:
    days = range((last - first).days + 1)
    return [{"key": first + timedelta(days=n), "name": None, **_shown(groups.get(n) or Figures())} for n in days]


def _by_name(groups: Mapping[Any, Figures], names: Mapping[Any, str]) -> list[dict[str, Any]]:
    listed = [{"key": key, "name": names.get(key), **_shown(figures)} for key, figures in groups.items()]
    return sorted(listed, key=lambda group: (group["key"] is None, group["name"] or "", str(group["key"])))


def _shown(figures: Figures) -> dict[str, Any]:
    return {
        "bookings": figures.bookings,
        "by_status": figures.by_status,
        "offers_accepted": figures.offers_accepted,
        "offers_refused": figures.offers_refused,
        "acceptance_rate": figures.acceptance_rate,
        "no_shows": figures.no_shows,
        "cancellations": figures.cancellations,
        "revenue": _money(figures.revenue.items()),
        "paid": _money(figures.paid.items()),
    }


def _money(amounts: Iterable[tuple[str, int]]) -> list[dict[str, Any]]:
    return [{"amount_minor": amount, "currency": currency} for currency, amount in sorted(amounts)]
