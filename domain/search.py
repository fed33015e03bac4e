"""Looking for time: what a service asks for, a business's calendar as it was read, and who could take it.

The slot list, holds, bookings and the workflow's own attempts all ask here.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from uuid import UUID
from zoneinfo import ZoneInfo

from domain.areas import Area, is_served
from domain.assignment import Candidate
from domain.availability import (
    Interval,
    ProviderSchedule,
    Slot,
    SlotConstraints,
    find_slots,
    has_time,
    is_bookable,
    seats_taken,
)
from domain.errors import DayFullError, OutsideServiceAreaError, SlotUnavailableError
from domain.zones import begins, epoch, local_date

_MINUTE = 60
_DAY = 24 * 60 * _MINUTE
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class BookingRules:
    """What a service asks of people's time."""

    service_id: UUID
    duration_minutes: int
    buffer_before_minutes: int = 0
    buffer_after_minutes: int = 0
    slot_step_minutes: int = 15
    min_notice_minutes: int = 0
    horizon_days: int | None = None
    capacity: int = 1
    daily_limit: int | None = None
    required_skills: tuple[str, ...] = ()

    def demand(self, now: datetime, full: tuple[Interval, ...] = ()) -> SlotConstraints:
        """The same at a moment, in seconds."""
        soonest = int(now.timestamp() // 1) + 1 + self.min_notice_minutes * _MINUTE
        return SlotConstraints(
            duration=self.duration_minutes * _MINUTE,
            before=self.buffer_before_minutes * _MINUTE,
            after=self.buffer_after_minutes * _MINUTE,
            step_minutes=self.slot_step_minutes,
            earliest=soonest,
            latest=1 << 40 if self.horizon_days is None else epoch(now) + self.horizon_days * _DAY,
            capacity=self.capacity,
            full=full,
        )


@dataclass(frozen=True, slots=True)
class SlotQuery:
    """A question to a business's calendar."""

    terms: BookingRules
    zone: ZoneInfo
    """The business's."""
    window: Interval
    """Seconds between which appointments start."""
    now: datetime
    provider_id: UUID | None = None
    """Only this one."""
    refused: tuple[UUID, ...] = ()
    postal_code: str | None = None
    """Where, in its plain form; none: the area is not looked at unless `at_address`."""
    at_address: bool = False
    """Whether an appointment is to be made, for which a business with areas must know where."""
    customer_id: UUID | None = None
    preferred_provider_id: UUID | None = None
    weighs_load: bool = False
    """Whether the strategy looks at how busy everybody is that day."""
    moving_booking_id: UUID | None = None
    """The booking that is moved: it does not count against the day's limit."""
    redeemed_hold_id: UUID | None = None
    """The hold that becomes a booking: its own time is not in its way, nor that its provider takes no more."""

    @property
    def reads(self) -> Interval:
        """What must be known of people's time: the whole local days of the window, and what touches them."""
        first, last = local_date(self.window[0], self.zone), local_date(self.window[1] - 1, self.zone)
        reach = self.terms.duration_minutes + self.terms.buffer_after_minutes
        return (
            begins(first, 0, self.zone) - self.terms.buffer_before_minutes * _MINUTE,
            begins(last + _ONE_DAY, 0, self.zone) + reach * _MINUTE,
        )

    def days(self) -> list[tuple[date, Interval]]:
        """The local days of the window."""
        day, last = local_date(self.window[0], self.zone), local_date(self.window[1] - 1, self.zone)
        found = []
        while day <= last:
            found.append((day, (begins(day, 0, self.zone), begins(day + _ONE_DAY, 0, self.zone))))
            day += _ONE_DAY
        return found


@dataclass(frozen=True, slots=True)
class ProviderCalendar:
    """A provider who does the service, with what strategies look at."""

    agenda: ProviderSchedule
    rating: float
    auto_accept: bool | None
    last_assigned_at: datetime | None
    areas: tuple[Area, ...] = ()


@dataclass(frozen=True)
class BusinessCalendar:
    """A business's calendar as one statement read it, for one search."""

    search: SlotQuery
    providers: tuple[ProviderCalendar, ...]
    areas: tuple[Area, ...] = ()
    full_days: tuple[Interval, ...] = ()
    served_last: UUID | None = None
    """The provider whom the customer had the last time."""
    is_closed: bool = False
    """An outside calendar is stale, and the business would rather offer nothing then."""
    as_of: datetime | None = field(default=None)
    """What the outside calendar says is as old as this; none: there is no such calendar, or it never answered."""

    def slots(self) -> list[Slot]:
        """Every appointment that may be booked.

        Raises:
            OutsideServiceAreaError: nobody goes there.
        """
        return find_slots([provider.agenda for provider in self._serving], self._demand, self.search.window)

    def most_slots(self) -> int:
        """How many starts the slot list can name at most."""
        first, last = self.search.window
        return (last - first) // (self.search.terms.slot_step_minutes * _MINUTE)

    def most_offers(self) -> int:
        """How many providers the slot list can name at most, over all of its starts."""
        return len(self.providers) * self.most_slots()

    def bookable_at(self, starts_at: datetime) -> list[Candidate]:
        """Who may be booked for this appointment: those whom the slot list names.

        Raises:
            OutsideServiceAreaError: nobody goes there.
            DayFullError: the service's limit for that day is reached.
            SlotUnavailableError: too soon, or too far ahead.
        """
        at = self.admit(starts_at)
        if starts_at.microsecond:
            return []
        return [self._candidate(p, at) for p in self._serving if is_bookable(p.agenda, self._demand, at)]

    def free_at(self, starts_at: datetime) -> list[Candidate]:
        """Who is open and free for an appointment that is agreed already, whenever it begins.

        Raises:
            OutsideServiceAreaError: nobody goes there.
        """
        at = epoch(starts_at)
        return [self._candidate(p, at) for p in self._serving if has_time(p.agenda, self._demand, at)]

    def admit(self, starts_at: datetime) -> int:
        """The start in seconds, unless the service's own rules refuse it, whoever is free.

        Raises:
            OutsideServiceAreaError: nobody goes there.
            DayFullError: the service's limit for that day is reached.
            SlotUnavailableError: too soon, or too far ahead.
        """
        at, demand = epoch(starts_at), self._demand
        self.require_served()
        if at < demand.earliest:
            notice = self.search.terms.min_notice_minutes
            raise SlotUnavailableError(f"This service is booked at least {notice} minutes ahead.")
        if at > demand.latest:
            horizon = self.search.terms.horizon_days
            raise SlotUnavailableError(f"This service is booked at most {horizon} days ahead.")
        if any(first <= at < end for first, end in self.full_days):
            raise DayFullError
        return at

    @cached_property
    def _demand(self) -> SlotConstraints:
        return self.search.terms.demand(self.search.now, self.full_days)

    @cached_property
    def _serving(self) -> list[ProviderCalendar]:
        """Those who go there."""
        self.require_served()
        return [] if self.is_closed else [p for p in self.providers if self._goes_there(p)]

    def _goes_there(self, provider: ProviderCalendar) -> bool:
        code = self.search.postal_code
        return (code is None and not self.search.at_address) or is_served(provider.areas, code)

    def require_served(self) -> None:
        """Refuse a place where nobody goes.

        Raises:
            OutsideServiceAreaError: neither the business nor anybody in it.
        """
        code = self.search.postal_code
        if code is None and not self.search.at_address:
            return
        if is_served(self.areas, code) and (not self.providers or any(map(self._goes_there, self.providers))):
            return
        where_missing = "This business serves certain areas only: say where, with address.postal_code."
        raise OutsideServiceAreaError(where_missing if code is None else None)

    def _candidate(self, provider: ProviderCalendar, at: int) -> Candidate:
        provider_id = provider.agenda.provider_id
        return Candidate(
            provider_id=provider_id,
            rating=provider.rating,
            auto_accept=provider.auto_accept,
            last_assigned_at=provider.last_assigned_at,
            booked_minutes=self._booked_minutes(provider.agenda, at) if self.search.weighs_load else 0,
            is_preferred=provider_id == self.search.preferred_provider_id,
            served_last=provider_id == self.served_last,
            seats_taken=seats_taken(provider.agenda, self._demand, at),
        )

    def _booked_minutes(self, agenda: ProviderSchedule, at: int) -> int:
        since, end = next(bounds for _, bounds in self.search.days() if bounds[0] <= at < bounds[1])
        seconds = 0
        # The seats of a session, and what an outside calendar repeats, overlap.
        for first, until in sorted(agenda.busy):
            seconds += max(0, min(end, until) - max(since, first))
            since = max(since, until)
        return seconds // _MINUTE
