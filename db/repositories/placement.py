"""Choosing a provider: whoever decides, the create path, a hold or the workflow, does it here.

Inside a transaction that goes on to reserve the time. Where a choice depends on the one before it (whose turn it
is, which seat is left, whether the day is full), choices are made one after the other until that transaction ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories import availability, calendar
from db.repositories.calendar import Appointment
from domain.assignment import TAKES_TURNS, AssignmentStrategy, Candidate, Choice, choice_of, named_choice, ranked
from domain.search import BusinessCalendar, SlotQuery
from domain.zones import epoch, local_date


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    candidate: Candidate
    choice: Choice


async def read_calendar(
    conn: AsyncConnection, business_id: UUID, search: SlotQuery, wanted: Appointment, strategy: AssignmentStrategy
) -> BusinessCalendar:
    """The calendar at a moment at which nobody else is deciding on what this decision depends on."""
    await calendar.take_turns(conn, business_id, turns(search, wanted, strategy))
    return await availability.load(conn, business_id, search)


def turns(search: SlotQuery, wanted: Appointment, strategy: AssignmentStrategy) -> Iterator[str]:
    """What the decision depends on that others decide on as well."""
    terms = search.terms
    if strategy in TAKES_TURNS and search.provider_id is None:
        yield "assignment"
    if terms.capacity > 1:
        yield f"session/{terms.service_id}/{epoch(wanted.starts_at)}"
    yield from day_turns(wanted, search.zone)


def day_turns(wanted: Appointment, zone: ZoneInfo) -> Iterator[str]:
    """The turn in which a day's bookings and holds are counted, if the service has a limit."""
    if wanted.terms.daily_limit is not None:
        yield f"day/{wanted.terms.service_id}/{local_date(epoch(wanted.starts_at), zone)}"


def best(candidates: list[Candidate], search: SlotQuery, strategy: AssignmentStrategy) -> Iterator[ProviderChoice]:
    """The candidates in the order in which they are asked, each with why."""
    for candidate in ranked(strategy, candidates):
        if search.provider_id is not None:
            yield ProviderChoice(candidate, named_choice(candidate.provider_id))
        else:
            yield ProviderChoice(candidate, choice_of(strategy, candidate, len(candidates)))


async def mark(conn: AsyncConnection, business_id: UUID, choice: Choice) -> None:
    """Remember a turn, under the one strategy that counts them."""
    if choice.strategy is AssignmentStrategy.ROUND_ROBIN:
        await calendar.mark_turn(conn, business_id, choice.provider_id)
