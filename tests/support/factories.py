"""Factories that insert businesses, people and bookings into the database."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.models import Business, Customer, Membership, Provider, Service, Session, User, WeeklyHours
from db.repositories import booking_writes
from db.repositories.booking_writes import Insertion
from db.repositories.idempotency import Answer, Key
from db.repositories.reservations import Appointment
from domain.booking import SYSTEM, BookingState
from domain.callers import Membership as Role_
from domain.callers import Principal
from domain.lifecycle import Role, Status
from domain.payments import PaymentGate
from domain.policies import Policy
from domain.slots import BookingRules
from runtime.ids import new_id, new_reference

DURATION = timedelta(minutes=60)
NO_PASSWORD = "no password matches this"
PROVIDERS = {"ana": 4.9, "ben": 4.7}


@dataclass
class Tenant:
    """A business and its people."""

    business_id: UUID
    slug: str
    policy: Policy
    service_id: UUID
    customer_id: UUID
    providers: dict[str, UUID] = field(default_factory=dict)
    principals: dict[str, Principal] = field(default_factory=dict)
    """`admin`, `owner`, `customer`, and each provider by name."""

    def name_of(self, provider_id: UUID | str | None) -> str:
        """The name of a provider of this business."""
        return next(name for name, known in self.providers.items() if str(known) == str(provider_id))


def future(hours: float = 72) -> datetime:
    """A full hour in the future."""
    return (datetime.now(UTC) + timedelta(hours=hours)).replace(minute=0, second=0, microsecond=0)


async def make_tenant(
    engine: AsyncEngine, *, policy: Policy | None = None, providers: dict[str, float] | None = None
) -> Tenant:
    """Create a business in New York that is always open, with one service of an hour, `repair`."""
    policy = policy or Policy()
    async with engine.begin() as conn:
        business_id, slug = new_id(), f"t-{new_id().hex}"
        await conn.execute(
            insert(Business).values(
                id=business_id,
                slug=slug,
                name="Test Business",
                timezone="America/New_York",
                currency="USD",
                policy=policy.model_dump(mode="json"),
            )
        )
        await conn.execute(insert(WeeklyHours), [_open_all_day(business_id, day) for day in range(1, 8)])
        service_id = await _add_service(conn, business_id)
        user_id = await add_user(conn, "customer")
        tenant = Tenant(business_id, slug, policy, service_id, await _add_customer(conn, business_id, user_id))
        tenant.principals["customer"] = Principal(user_id=user_id)
        for role in ("owner", "admin"):
            tenant.principals[role] = await _add_member(conn, business_id, Role(role), None)
        for name, rating in (PROVIDERS if providers is None else providers).items():
            await add_provider(conn, tenant, name, rating=rating)
    return tenant


def _open_all_day(business_id: UUID, weekday: int) -> dict[str, Any]:
    # Appointments across midnight are outside opening hours: the hours end with the day, and tests use full hours.
    return {
        "id": new_id(),
        "business_id": business_id,
        "weekday": weekday,
        "opens_minute": 0,
        "closes_minute": 1440,
    }


async def _add_service(conn: AsyncConnection, business_id: UUID) -> UUID:
    service_id = new_id()
    await conn.execute(
        insert(Service).values(
            id=service_id,
            business_id=business_id,
            code="repair",
            name="Repair",
            duration_minutes=int(DURATION.total_seconds() // 60),
            price_minor=129_00,
            currency="USD",
            required_skills=["repair"],
        )
    )
    return service_id


async def add_user(conn: AsyncConnection, name: str, *, password_hash: str = NO_PASSWORD) -> UUID:
    """A user with an address of their own, logged in: the session has their id."""
    user_id = new_id()
    await conn.execute(
        insert(User).values(
            id=user_id, email=f"{user_id.hex}@users.example", name=name, password_hash=password_hash
        )
    )
    await conn.execute(insert(Session).values(id=user_id, user_id=user_id, expires_at=future()))
    return user_id


async def _add_customer(conn: AsyncConnection, business_id: UUID, user_id: UUID) -> UUID:
    customer_id = new_id()
    await conn.execute(
        insert(Customer).values(id=customer_id, business_id=business_id, user_id=user_id, name="Casey Customer")
    )
    return customer_id


async def _add_member(conn: AsyncConnection, business_id: UUID, role: Role, provider_id: UUID | None) -> Principal:
    user_id = await add_user(conn, role)
    await conn.execute(
        insert(Membership).values(user_id=user_id, business_id=business_id, role=role, provider_id=provider_id)
    )
    membership = Role_(business_id=business_id, role=role, provider_id=provider_id)
    return Principal(user_id=user_id, memberships=(membership,))


async def add_provider(conn: AsyncConnection, tenant: Tenant, name: str, **columns: Any) -> UUID:
    """A provider who can do everything, and the user behind them."""
    provider_id = new_id()
    values = {"code": name, "skills": ["repair"], "rating": 4.0} | columns
    await conn.execute(
        insert(Provider).values(id=provider_id, business_id=tenant.business_id, name=name, **values)
    )
    tenant.providers[name] = provider_id
    tenant.principals[name] = await _add_member(conn, tenant.business_id, Role.PROVIDER, provider_id)
    return provider_id


async def make_booking(
    engine: AsyncEngine,
    tenant: Tenant,
    *,
    starts_at: datetime | None = None,
    provider: str | None = "ana",
    payment: PaymentGate | None = None,
) -> BookingState:
    """Create a pending booking as the API commits it, with the provider's time reserved."""
    now, starts_at = datetime.now(UTC), starts_at or future()
    state = BookingState(
        booking_id=new_id(),
        business_id=tenant.business_id,
        service_id=tenant.service_id,
        status=Status.PENDING,
        version=1,
        starts_at=starts_at,
        ends_at=starts_at + DURATION,
        provider_id=tenant.providers[provider] if provider else None,
        auto_accept=tenant.policy.auto_accept,
        policy=tenant.policy,
        phase_since=now,
        next_attempt_at=now,
        holds_time=provider is not None,
        planned_from=now,
        payment=payment,
        reference=new_reference(),
    )
    async with engine.begin() as conn:
        assert await insert_booking(conn, tenant, state) is Insertion.BOOKED
    return state


def appointment(tenant: Tenant, starts_at: datetime, **rules: Any) -> Appointment:
    """An appointment of the tenant's service."""
    duration = int(DURATION.total_seconds()) // 60
    return Appointment(starts_at, BookingRules(service_id=tenant.service_id, duration_minutes=duration, **rules))


async def insert_booking(conn: AsyncConnection, tenant: Tenant, state: BookingState, **changes: Any) -> Insertion:
    """Insert the booking of this state as creating does, in the caller's transaction."""
    values: dict[str, Any] = {
        "appointment": appointment(tenant, state.starts_at),
        "customer_id": tenant.customer_id,
        "timezone": "America/New_York",
        "price_minor": 129_00,
        "currency": "USD",
        "actor": SYSTEM,
        "key": Key("tests", str(state.booking_id), "0"),
        "answer": Answer("{}"),
    }
    return await booking_writes.insert(conn, tenant.business_id, state, **values | changes)
