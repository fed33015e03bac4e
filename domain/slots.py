"""Slots: a service's booking rules, a query, and a business's calendar that answers it.

The slot list, holds, bookings, moves and the workflow's attempts all use this calendar.
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
    """How a service may be booked."""

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

    def constraints(self, now: datetime, full: tuple[Interval, ...] = ()) -> SlotConstraints:
        """The rules as constraints at one moment, in seconds. `full` are the days that reached their limit."""
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
    """What to find in a business's calendar."""

    rules: BookingRules
    zone: ZoneInfo
    """The business's."""
    window: Interval
    """Appointments start between these instants, in seconds since 1970."""
    now: datetime
    provider_id: UUID | None = None
    """Only this one."""
    refused: tuple[UUID, ...] = ()
    postal_code: str | None = None
    """Where, in its plain form; none: areas are ignored unless `at_address`."""
    at_address: bool = False
    """Whether an appointment is made, for which a business with areas must know the place."""
    customer_id: UUID | None = None
    preferred_provider_id: UUID | None = None
    weighs_load: bool = False
    """Whether the strategy compares the booked minutes of that day."""
    moving_booking_id: UUID | None = None
    """The moved booking: it does not count against the day's limit."""
    redeemed_hold_id: UUID | None = None
    """The hold that becomes a booking: its own time is free to it, and its provider need not be available."""

    @property
    def reads(self) -> Interval:
        """The instants between which schedules are read: the whole local days of the window, with buffers."""
        first, last = local_date(self.window[0], self.zone), local_date(self.window[1] - 1, self.zone)
        reach = self.rules.duration_minutes + self.rules.buffer_after_minutes
        return (
            begins(first, 0, self.zone) - self.rules.buffer_before_minutes * _MINUTE,
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
    """A provider who does the service, with what strategies compare."""

    schedule: ProviderSchedule
    rating: float
    auto_accept: bool | None
    last_assigned_at: datetime | None
    areas: tuple[Area, ...] = ()


@dataclass(frozen=True)
class BusinessCalendar:
    """A business's calendar for one query, as one statement read it."""

    query: SlotQuery
    providers: tuple[ProviderCalendar, ...]
    areas: tuple[Area, ...] = ()
    full_days: tuple[Interval, ...] = ()
    served_last: UUID | None = None
    """The provider who served the customer last."""
    is_closed: bool = False
    """An outside calendar is stale, and the business then offers nothing."""
    as_of: datetime | None = field(default=None)
    """When the outside calendar was read; none: there is no such calendar, or it never answered."""

    def slots(self) -> list[Slot]:
        """Every appointment that may be booked.

        Raises:
            OutsideServiceAreaError: nobody serves that place.
        """
        return find_slots([provider.schedule for provider in self._serving], self._constraints, self.query.window)

    def most_slots(self) -> int:
        """How many starts the slot list can name at most."""
        first, last = self.query.window
        return (last - first) // (self.query.rules.slot_step_minutes * _MINUTE)

    def most_offers(self) -> int:
        """How many providers the slot list can name at most, over all its starts."""
        return len(self.providers) * self.most_slots()

    def bookable_at(self, starts_at: datetime) -> list[Candidate]:
        """Who may be booked for this appointment: the providers that the slot list names.

        Raises:
            OutsideServiceAreaError: nobody serves that place.
            DayFullError: the service's limit for that day is reached.
            SlotUnavailableError: too soon, or too far ahead.
        """
        at = self.require_within_rules(starts_at)
        if starts_at.microsecond:
            return []
        return [self._candidate(p, at) for p in self._serving if is_bookable(p.schedule, self._constraints, at)]

    def free_at(self, starts_at: datetime) -> list[Candidate]:
        """Who is open and free for an agreed appointment, which may start at any minute.

        Raises:
            OutsideServiceAreaError: nobody serves that place.
        """
        at = epoch(starts_at)
        return [self._candidate(p, at) for p in self._serving if has_time(p.schedule, self._constraints, at)]

    def require_within_rules(self, starts_at: datetime) -> int:
        """The start in seconds, unless the service's rules refuse it, whoever is free.

        Raises:
            OutsideServiceAreaError: nobody serves that place.
            DayFullError: the service's limit for that day is reached.
            SlotUnavailableError: too soon, or too far ahead.
        """
        at, constraints = epoch(starts_at), self._constraints
        self.require_served()
        if at < constraints.earliest:
            notice = self.query.rules.min_notice_minutes
            raise SlotUnavailableError(f"This service is booked at least {notice} minutes ahead.")
        if at > constraints.latest:
            horizon = self.query.rules.horizon_days
            raise SlotUnavailableError(f"This service is booked at most {horizon} days ahead.")
        if any(first <= at < end for first, end in self.full_days):
            raise DayFullError
        return at

    @cached_property
    def _constraints(self) -> SlotConstraints:
        return self.query.rules.constraints(self.query.now, self.full_days)

    @cached_property
    def _serving(self) -> list[ProviderCalendar]:
        """The providers who serve the place."""
        self.require_served()
        return [] if self.is_closed else [p for p in self.providers if self._serves_place(p)]

    def _serves_place(self, provider: ProviderCalendar) -> bool:
        code = self.query.postal_code
        return (code is None and not self.query.at_address) or is_served(provider.areas, code)

    def require_served(self) -> None:
        """Refuse a place that nobody serves.

        Raises:
            OutsideServiceAreaError: neither the business nor anybody in it.
        """
        code = self.query.postal_code
        if code is None and not self.query.at_address:
            return
        if is_served(self.areas, code) and (not self.providers or any(map(self._serves_place, self.providers))):
            return
        where_missing = "This business serves certain areas only: say where, with address.postal_code."
        raise OutsideServiceAreaError(where_missing if code is None else None)

    def _candidate(self, provider: ProviderCalendar, at: int) -> Candidate:
        provider_id = provider.schedule.provider_id
        return Candidate(
            provider_id=provider_id,
            rating=provider.rating,
            auto_accept=provider.auto_accept,
            last_assigned_at=provider.last_assigned_at,
            booked_minutes=self._booked_minutes(provider.schedule, at) if self.query.weighs_load else 0,
            is_preferred=provider_id == self.query.preferred_provider_id,
            served_last=provider_id == self.served_last,
            seats_taken=seats_taken(provider.schedule, self._constraints, at),
        )

    def _booked_minutes(self, schedule: ProviderSchedule, at: int) -> int:
        since, end = next(bounds for _, bounds in self.query.days() if bounds[0] <= at < bounds[1])
        seconds = 0
        # The seats of a session, and what an outside calendar repeats, overlap.
        for first, until in sorted(schedule.busy):
            seconds += max(0, min(end, until) - max(since, first))
            since = max(since, until)
        return seconds // _MINUTE
