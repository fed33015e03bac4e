"""Shapes of reports on the wire."""

from datetime import date
from uuid import UUID

from pydantic import BaseModel, Field

from api.shapes import Money
from domain.lifecycle import Status
from domain.reports import GroupBy


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
