"""The business that the bench books with: open day and night, so that no slot is ever refused."""

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from db.engine import async_url
from db.models import Business, Customer, Membership, Provider, Service, User, WeeklyHours
from domain.policies import Policy
from runtime.ids import new_id

SLUG = "bench"
SKILL = "visit"
PROVIDERS = 50
CUSTOMERS = 200
SLOT = timedelta(minutes=30)

_MONTH_MINUTES = 30 * 24 * 60
_FIRST_SLOT_IN = timedelta(days=3)  # beyond the first reminder: nothing falls due while the bench runs


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can log in, and the provider that they are."""

    user_id: UUID
    provider_id: UUID | None = None


def _people(count: int) -> tuple[Person, ...]:
    return tuple(Person(new_id()) for _ in range(count))


def _provider_people() -> tuple[Person, ...]:
    return tuple(Person(new_id(), new_id()) for _ in range(PROVIDERS))


@dataclass(frozen=True, slots=True)
class Tenant:
    """The ids of the bench business, the same in Holdfast's database and in the floor's."""

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
    """Slots that nobody has taken: each is handed out once."""

    def __init__(self, tenant: Tenant) -> None:
        self._providers = tenant.providers
        self._numbers = itertools.count()
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self._first = midnight + _FIRST_SLOT_IN

    def take(self) -> Slot:
        """The next free slot: all providers at one time, then the next time."""
        turn, provider = divmod(next(self._numbers), len(self._providers))
        return Slot(self._providers[provider], self._first + turn * SLOT)


async def load(database_url: str, tenant: Tenant) -> None:
    """Write the business, its people and its hours into a migrated database."""
    engine = create_async_engine(async_url(database_url))
    try:
        async with engine.begin() as conn:
            await _load_business(conn, tenant)
            await _load_people(conn, tenant)
    finally:
        await engine.dispose()


async def _load_business(conn: AsyncConnection, tenant: Tenant) -> None:
    policy = Policy(offer_timeout_minutes=_MONTH_MINUTES).model_dump(mode="json")
    business = {"id": tenant.business_id, "slug": SLUG, "name": "Bench", "timezone": "UTC", "currency": "USD"}
    await conn.execute(insert(Business).values(**business, policy=policy))
    service = {"id": tenant.service_id, "business_id": tenant.business_id, "code": SKILL, "name": "Visit"}
    await conn.execute(
        insert(Service).values(
            **service,
            duration_minutes=SLOT // timedelta(minutes=1),
            price_minor=12_900,
            currency="USD",
            required_skills=[SKILL],
        )
    )
    await conn.execute(insert(WeeklyHours), [_open_all_day(tenant, weekday) for weekday in range(1, 8)])


def _open_all_day(tenant: Tenant, weekday: int) -> dict[str, object]:
    hours = {"id": new_id(), "business_id": tenant.business_id, "weekday": weekday}
    return hours | {"opens_minute": 0, "closes_minute": 24 * 60}


async def _load_people(conn: AsyncConnection, tenant: Tenant) -> None:
    everybody = (tenant.owner, *tenant.providers, *tenant.customers)
    await conn.execute(insert(User), [_user(person) for person in everybody])
    await conn.execute(insert(Provider), [_provider(tenant, person) for person in tenant.providers])
    await conn.execute(insert(Customer), [_customer(tenant, person) for person in tenant.customers])
    staff = [_membership(tenant, tenant.owner, "owner")]
    staff += [_membership(tenant, person, "provider") for person in tenant.providers]
    await conn.execute(insert(Membership), staff)


def _user(person: Person) -> dict[str, object]:
    # Nobody logs in with a password here: tokens are signed with the stack's own key.
    return {"id": person.user_id, "email": f"{person.user_id}@bench.example", "name": "B", "password_hash": "-"}


def _provider(tenant: Tenant, person: Person) -> dict[str, object]:
    row = {"id": person.provider_id, "business_id": tenant.business_id, "name": "P"}
    return row | {"skills": [SKILL], "rating": 4}


def _customer(tenant: Tenant, person: Person) -> dict[str, object]:
    row = {"id": new_id(), "business_id": tenant.business_id, "user_id": person.user_id}
    return row | {"name": "C"}


def _membership(tenant: Tenant, person: Person, role: str) -> dict[str, object]:
    row = {"user_id": person.user_id, "business_id": tenant.business_id, "role": role}
    return row | {"provider_id": person.provider_id}
