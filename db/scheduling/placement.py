"""Choosing a provider. Slots, holds, bookings, attempts and moves all ask here; nothing else chooses anybody.

All but the slot list ask inside the transaction that goes on to reserve the time. Where a choice depends on the
one before it (round robin, seats of a session, a day's limit), a lock puts these transactions in sequence.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories import availability, holds, locks, providers, reservations
from db.repositories.reservations import Appointment
from db.repositories.rows import Row
from db.repositories.services import Offering
from db.scheduling.requests import AppointmentRequest
from domain.areas import plain_code
from domain.assignment import (
    DEPENDS_ON_LAST_CHOICE,
    AssignmentStrategy,
    Candidate,
    Choice,
    choice_of,
    named_choice,
    ranked,
)
from domain.availability import Interval
from domain.booking import BookingState
from domain.errors import (
    HoldExpiredError,
    HoldfastError,
    InvalidRequestError,
    ProviderUnfitError,
    SlotUnavailableError,
)
from domain.policies import Intake
from domain.slots import BookingRules, BusinessCalendar, SlotQuery
from domain.steps import Hold, Step, StepKind
from domain.zones import epoch, local_date

TRIES: Final = 100
"""How often a free time may turn out to be taken by a concurrent transaction before a use case gives up."""


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """A provider and why they were chosen."""

    candidate: Candidate
    choice: Choice

    @property
    def provider_id(self) -> UUID:
        return self.candidate.provider_id


@dataclass(frozen=True, slots=True)
class Placement:
    """Who may take an appointment, or why nobody may."""

    choices: Iterator[ProviderChoice] = field(default_factory=lambda: iter(()))
    """In the order in which they are asked, made as they are read; empty: nobody is free now."""
    refusal: HoldfastError | None = None

    def first(self) -> ProviderChoice | None:
        """The provider who is asked first; none: nobody is free now, which the business allows.

        Raises:
            HoldfastError: the refusal.
        """
        if self.refusal is not None:
            raise self.refusal
        return next(self.choices, None)


async def read_slots(
    conn: AsyncConnection,
    offering: Offering,
    window: Interval,
    now: datetime,
    *,
    provider_id: UUID | None = None,
    postal_code: str | None = None,
) -> BusinessCalendar:
    """The calendar whose `slots` are what may be booked in the window (seconds since 1970)."""
    query = SlotQuery(
        rules=offering.rules,
        zone=ZoneInfo(offering.timezone),
        window=window,
        now=now,
        provider_id=provider_id,
        postal_code=plain_code(postal_code) if postal_code else None,
    )
    return await availability.load(conn, offering.business_id, query)


async def place_new(
    conn: AsyncConnection,
    offering: Offering,
    request: AppointmentRequest,
    now: datetime,
    customer_id: UUID | None = None,
) -> Placement:
    """Who takes a new booking or hold. `customer_id` is the customer whose history `preferred_first` uses.

    It refuses with `slot_unavailable`, `provider_unfit`, `outside_service_area` or `day_full`.
    """
    query, strategy = _new_query(offering, request, now, customer_id), offering.policy.assignment
    await locks.lock(conn, offering.business_id, _lock_names(query, strategy))
    calendar = await availability.load(conn, offering.business_id, query)
    try:
        free = _free_for_new(calendar, offering.policy.intake, request)
    except HoldfastError as refusal:
        return Placement(refusal=refusal)
    if free:
        return Placement(_choices(free, query, strategy))
    return Placement(refusal=await _why_nobody(conn, offering, request.provider_id))


async def place_held(
    conn: AsyncConnection, hold: Row, offering: Offering, request: AppointmentRequest, now: datetime
) -> Placement:
    """The provider of a hold that becomes a booking.

    Notice, horizon and availability counted when the time was held. Presence and area count again: time off, other
    hours or an outside appointment since then end the hold, and the address may be another one.

    It refuses with `hold_expired`, `invalid_request` or `outside_service_area`.
    """
    refusal = _misfit(hold, offering, request)
    if refusal is not None:
        return Placement(refusal=refusal)
    held = replace(request, provider_id=hold["provider_id"])
    query = replace(
        _new_query(offering, held, now, None),
        rules=replace(offering.rules, required_skills=()),
        redeemed_hold_id=hold["id"],
    )
    # The day counts it as a hold, then as a booking: nobody may count while it is neither.
    await locks.lock(conn, offering.business_id, _day_lock(query))
    calendar = await availability.load(conn, offering.business_id, query)
    try:
        is_there = bool(calendar.free_at(request.starts_at))
    except HoldfastError as error:
        return Placement(refusal=error)
    if not is_there:
        gone = "The provider is not there at this time any more. Look for a slot and hold it again."
        return Placement(refusal=HoldExpiredError(gone))
    candidate = await providers.find_candidate(conn, offering.business_id, hold["provider_id"], ())
    assert candidate is not None  # a foreign key keeps the provider
    return Placement(iter([ProviderChoice(candidate, holds.choice_of(hold))]))


def step_query(step: Step, booking: Row) -> SlotQuery:
    """The query for a step's appointment. `booking` is the locked row before the step.

    The rules are the service's present ones, except for duration and buffers, which are the booking's own.
    """
    after, postal_code = step.after, booking["postal_code"]
    named = None if step.hold is Hold.CHOOSE else after.provider_id
    at = epoch(after.starts_at)
    return SlotQuery(
        rules=_step_rules(booking, after),
        zone=ZoneInfo(booking["business_timezone"]),
        window=(at, at + 1),
        now=step.at,
        provider_id=named,
        refused=() if named else after.refused_provider_ids,
        postal_code=plain_code(postal_code) if postal_code else None,
        customer_id=booking["customer_id"],
        preferred_provider_id=booking["preferred_provider_id"],
        weighs_load=after.policy.assignment is AssignmentStrategy.LEAST_BUSY,
        moving_booking_id=after.booking_id,
    )


async def place_step(conn: AsyncConnection, business_id: UUID, step: Step, query: SlotQuery) -> Placement:
    """Who takes the booking after a step: the named provider, or the best who is free.

    It releases the booking's former time first, in the same transaction: a move is a swap.

    It refuses with `provider_unfit` a provider who does not offer the service, else with what the slot list says.
    """
    after, strategy = step.after, step.after.policy.assignment
    # The locks first, then the rows that others may wait for: the same order everywhere prevents deadlocks.
    await locks.lock(conn, business_id, _lock_names(query, strategy))
    await reservations.release(conn, business_id, after.booking_id)
    if step.hold is not Hold.CHOOSE:
        named = await providers.find_candidate(conn, business_id, after.provider_id, query.rules.required_skills)
        if named is None:
            return Placement(refusal=ProviderUnfitError())
        if step.hold is Hold.FORCE:
            return Placement(iter([ProviderChoice(named, named_choice(named.provider_id))]))
    calendar = await availability.load(conn, business_id, query)
    try:
        is_move = step.kind is StepKind.RESCHEDULED
        free = calendar.bookable_at(after.starts_at) if is_move else calendar.free_at(after.starts_at)
    except HoldfastError as refusal:
        return Placement(refusal=refusal)
    return Placement(_choices(free, query, strategy))


async def admits_move(conn: AsyncConnection, business_id: UUID, step: Step, query: SlotQuery) -> bool:
    """Whether a customer may move a booking without a provider: under the rules for a new one at that time."""
    await locks.lock(conn, business_id, _lock_names(query, step.after.policy.assignment))
    calendar = await availability.load(conn, business_id, query)
    try:
        calendar.require_within_rules(step.after.starts_at)
    except HoldfastError:
        return False
    return True


async def mark_assigned(conn: AsyncConnection, business_id: UUID, choice: Choice) -> None:
    """Note the assignment for round robin, the only strategy that uses it."""
    if choice.strategy is AssignmentStrategy.ROUND_ROBIN:
        await providers.mark_assigned(conn, business_id, choice.provider_id)


def _new_query(
    offering: Offering, request: AppointmentRequest, now: datetime, customer_id: UUID | None
) -> SlotQuery:
    at = epoch(request.starts_at)
    return SlotQuery(
        rules=offering.rules,
        zone=ZoneInfo(offering.timezone),
        window=(at, at + 1),
        now=now,
        provider_id=request.provider_id,
        postal_code=plain_code(request.postal_code) if request.postal_code else None,
        at_address=True,
        customer_id=customer_id,
        preferred_provider_id=request.preferred_provider_id,
        weighs_load=offering.policy.assignment is AssignmentStrategy.LEAST_BUSY,
    )


def _step_rules(booking: Row, after: BookingState) -> BookingRules:
    return BookingRules(
        service_id=after.service_id,
        duration_minutes=int((after.ends_at - after.starts_at).total_seconds()) // 60,
        required_skills=tuple(booking["required_skills"]),
        **{name: booking[name] for name in _STORED_RULES},
    )


_STORED_RULES: Final = (
    "buffer_before_minutes",
    "buffer_after_minutes",
    "slot_step_minutes",
    "min_notice_minutes",
    "horizon_days",
    "capacity",
    "daily_limit",
)


def _lock_names(query: SlotQuery, strategy: AssignmentStrategy) -> Iterator[str]:
    """Locks on whatever this choice and concurrent ones both depend on."""
    rules = query.rules
    if strategy in DEPENDS_ON_LAST_CHOICE and query.provider_id is None:
        yield "assignment"
    if rules.capacity > 1:
        yield f"session/{rules.service_id}/{query.window[0]}"
    yield from _day_lock(query)


def _day_lock(query: SlotQuery) -> Iterator[str]:
    """The lock under which a day's bookings and holds are counted, if the service has a limit."""
    if query.rules.daily_limit is not None:
        yield f"day/{query.rules.service_id}/{local_date(query.window[0], query.zone)}"


def _free_for_new(calendar: BusinessCalendar, intake: Intake, request: AppointmentRequest) -> list[Candidate]:
    if intake is Intake.INSTANT:
        return calendar.bookable_at(request.starts_at)
    calendar.require_within_rules(request.starts_at)
    return calendar.free_at(request.starts_at) if request.provider_id is not None else []


async def _why_nobody(conn: AsyncConnection, offering: Offering, named: UUID | None) -> HoldfastError | None:
    """Why a new booking gets no provider; none: the business finds one after the booking."""
    if named is not None:
        skills = offering.rules.required_skills
        if await providers.find_candidate(conn, offering.business_id, named, skills) is None:
            return ProviderUnfitError()
    return SlotUnavailableError() if offering.policy.intake is Intake.INSTANT else None


def _misfit(hold: Row, offering: Offering, request: AppointmentRequest) -> HoldfastError | None:
    """Why a hold cannot become this booking, as far as its row tells."""
    if not hold["is_live"]:
        return HoldExpiredError()
    held = hold["business_id"], hold["service_id"], hold["starts_at"]
    is_same = held == (offering.business_id, offering.rules.service_id, request.starts_at)
    if not is_same or request.provider_id not in (None, hold["provider_id"]):
        return InvalidRequestError("The hold is for another service, time or provider than this booking.")
    if hold["ends_at"] != Appointment(request.starts_at, offering.rules).ends_at:
        return HoldExpiredError(
            "The service does not take as long as it did when this time was held. Hold it again."
        )
    return None


def _choices(
    candidates: list[Candidate], query: SlotQuery, strategy: AssignmentStrategy
) -> Iterator[ProviderChoice]:
    for candidate in ranked(strategy, candidates):
        if query.provider_id is not None:
            yield ProviderChoice(candidate, named_choice(candidate.provider_id))
        else:
            yield ProviderChoice(candidate, choice_of(strategy, candidate, len(candidates)))
