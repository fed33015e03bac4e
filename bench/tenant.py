"""The businesses of the benchmarks: one is always open, so that no slot is ever refused."""

import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine import unpooled_engine
from db.models import Business, Customer, Membership, Provider, Service, Session, User, WeeklyHours
from domain.policies import Policy
from domain.zones import begins, moment
from runtime.ids import new_id

SKILL = "visit"
PROVIDERS = 50
CUSTOMERS = 400
SLOT_MINUTES = 30

_STEP = 15
"""Minutes from one start to the next."""
_EARLIER = 5

_MONTH_MINUTES = 30 * 24 * 60
_FIRST_SLOT_IN = timedelta(days=3)  # later than the first reminder: none falls due during the run


@dataclass(frozen=True, slots=True)
class Hours:
    """Opening hours of every day, in minutes after midnight."""

    zone: ZoneInfo
    opens: int
    closes: int

    @property
    def slots(self) -> int:
        """The number of consecutive appointments in a day."""
        return (self.closes - self.opens) // SLOT_MINUTES


AROUND_THE_CLOCK = Hours(ZoneInfo("UTC"), 0, 24 * 60)
NINE_TO_FIVE = Hours(ZoneInfo("America/New_York"), 9 * 60, 17 * 60)


@dataclass(frozen=True, slots=True)
class Person:
    """A user, and the provider that belongs to them."""

    user_id: UUID
    provider_id: UUID | None = None


def _people(count: int) -> tuple[Person, ...]:
    return tuple(Person(new_id()) for _ in range(count))


def _provider_people() -> tuple[Person, ...]:
    """Providers whose ids differ in their timestamp, as in production.

    btree_gist compares only the first 53 bits of a uuid when it selects an index page: providers whose ids share
    these bits would share pages of the calendar's index.
    """
    return tuple(Person(new_id(), _later_id(number)) for number in range(PROVIDERS))


def _later_id(milliseconds: int) -> UUID:
    """An id as if created so many milliseconds later: the first 48 bits are the time."""
    return UUID(int=new_id().int + (milliseconds << 80))


@dataclass(frozen=True, slots=True)
class Tenant:
    """The ids of one business, the same in Holdfast's database and the baseline's."""

    slug: str = "bench"
    hours: Hours = AROUND_THE_CLOCK
    business_id: UUID = field(default_factory=new_id)
    service_id: UUID = field(default_factory=new_id)
    owner: Person = field(default_factory=lambda: Person(new_id()))
    providers: tuple[Person, ...] = field(default_factory=_provider_people)
    customers: tuple[Person, ...] = field(default_factory=lambda: _people(CUSTOMERS))


@dataclass(frozen=True, slots=True)
class Slot:
    provider: Person
    starts_at: datetime


class Slots:
    """Free slots: each is returned once."""

    def __init__(self, tenant: Tenant) -> None:
        self._providers, self._hours = tenant.providers, tenant.hours
        self._numbers = itertools.count()
        self._first_day = datetime.now(UTC).date() + _FIRST_SLOT_IN

    def take(self) -> Slot:
        """The next free slot: all providers at one time, then the next time."""
        time, provider = divmod(next(self._numbers), len(self._providers))
        day, number = divmod(time, self._hours.slots)
        minute = self._hours.opens + number * SLOT_MINUTES
        starts_at = begins(self._first_day + timedelta(days=day), minute, self._hours.zone)
        return Slot(self._providers[provider], moment(starts_at))


async def load(database_url: str, tenant: Tenant) -> None:
    """Write the business, its people and its hours into a migrated database."""
    engine = unpooled_engine(database_url)
    try:
        async with engine.begin() as conn:
            await _load_business(conn, tenant)
            await _load_people(conn, tenant)
    finally:
        await engine.dispose()


async def _load_business(conn: AsyncConnection, tenant: Tenant) -> None:
    policy = Policy(offer_timeout_minutes=_MONTH_MINUTES).model_dump(mode="json")
    business = {"id": tenant.business_id, "slug": tenant.slug, "name": "Bench", "currency": "USD"}
    zone = tenant.hours.zone.key
    await conn.execute(insert(Business).values(**business, timezone=zone, policy=policy))
    service = {"id": tenant.service_id, "business_id": tenant.business_id, "code": SKILL, "name": "Visit"}
    await conn.execute(
        insert(Service).values(
            **service,
            duration_minutes=SLOT_MINUTES,
            slot_step_minutes=_STEP,
            price_minor=12_900,
            currency="USD",
            required_skills=[SKILL],
        )
    )
    await conn.execute(insert(WeeklyHours), _week(tenant, tenant.hours))


async def give_own_hours(database_url: str, tenant: Tenant) -> None:
    """Give every provider different hours: opening up to an hour earlier and closing up to two hours later."""
    engine = unpooled_engine(database_url)
    try:
        async with engine.begin() as conn:
            for number, person in enumerate(tenant.providers):
                later, earlier = divmod(number, _EARLIER)
                hours = replace(tenant.hours, opens=tenant.hours.opens - earlier * _STEP)
                hours = replace(hours, closes=tenant.hours.closes + later * _STEP)
                await conn.execute(insert(WeeklyHours), _week(tenant, hours, person.provider_id))
    finally:
        await engine.dispose()


def _week(tenant: Tenant, hours: Hours, provider_id: UUID | None = None) -> list[dict[str, object]]:
    """Weekly hours of all days, for the business or for one provider."""
    rule: dict[str, object] = {"business_id": tenant.business_id, "provider_id": provider_id}
    rule |= {"opens_minute": hours.opens, "closes_minute": hours.closes}
    return [rule | {"id": new_id(), "weekday": weekday} for weekday in range(1, 8)]


async def _load_people(conn: AsyncConnection, tenant: Tenant) -> None:
    everybody = (tenant.owner, *tenant.providers, *tenant.customers)
    await conn.execute(insert(User), [_user(person) for person in everybody])
    await conn.execute(insert(Session), [_session(person) for person in everybody])
    await conn.execute(insert(Provider), [_provider(tenant, person) for person in tenant.providers])
    await conn.execute(insert(Customer), [_customer(tenant, person) for person in tenant.customers])
    staff = [_membership(tenant, tenant.owner, "owner")]
    staff += [_membership(tenant, person, "provider") for person in tenant.providers]
    await conn.execute(insert(Membership), staff)


def _user(person: Person) -> dict[str, object]:
    # No password is needed: the benchmarks sign their own tokens with the stack's key.
    return {"id": person.user_id, "email": f"{person.user_id}@bench.example", "name": "B", "password_hash": "-"}


def _session(person: Person) -> dict[str, object]:
    return {"id": person.user_id, "user_id": person.user_id, "expires_at": datetime.now(UTC) + timedelta(days=7)}


def _provider(tenant: Tenant, person: Person) -> dict[str, object]:
    row = {"id": person.provider_id, "business_id": tenant.business_id, "name": "P"}
    return row | {"code": str(person.provider_id), "skills": [SKILL], "rating": 4}


def _customer(tenant: Tenant, person: Person) -> dict[str, object]:
    row = {"id": new_id(), "business_id": tenant.business_id, "user_id": person.user_id}
    return row | {"name": "C"}


def _membership(tenant: Tenant, person: Person, role: str) -> dict[str, object]:
    row = {"user_id": person.user_id, "business_id": tenant.business_id, "role": role}
    return row | {"provider_id": person.provider_id}
