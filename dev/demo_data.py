"""The demo business: loaded once into the dev stack, never anywhere else."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from api.auth.passwords import hash_password
from db.engine import async_url
from db.models import Business, Membership, Provider, Service, User, WeeklyHours
from dev.demo_users import BUSINESS, PASSWORD, TIMEZONE, login_email, provider_email
from domain.policies import Policy
from runtime.ids import new_id

_MONDAY_TO_SATURDAY = range(1, 7)
_OPENS, _CLOSES = 8 * 60, 18 * 60


@dataclass(frozen=True, slots=True)
class _Service:
    code: str
    name: str
    minutes: int
    buffer_after: int
    price_minor: int


@dataclass(frozen=True, slots=True)
class _Provider:
    login: str
    name: str
    skills: tuple[str, ...]
    rating: float


_SERVICES = (
    _Service("repair", "Garage door repair", 60, 15, 129_00),
    _Service("springs", "Spring replacement", 90, 15, 249_00),
    _Service("estimate", "Free estimate", 30, 0, 0),
)
_PROVIDERS = (
    _Provider("ana", "Ana Ruiz", ("repair", "springs", "estimate"), 4.9),
    _Provider("ben", "Ben Cole", ("repair", "estimate"), 4.7),
    _Provider("cho", "Cho Park", ("springs", "estimate"), 4.5),
)
_OTHERS = (("admin", "Demo Admin", "admin"), ("owner", "Demo Owner", "owner"), ("customer", "Demo Customer", None))


async def load(database_url: str) -> bool:
    """Load the demo business, all or nothing; False when there is a business already, the demo's or a real one."""
    engine = create_async_engine(async_url(database_url))
    try:
        async with engine.begin() as conn:
            # Never beside real businesses: everybody knows the demo users' password.
            if (await conn.execute(select(Business.id).limit(1))).first() is not None:
                return False
            await _load(conn)
            return True
    finally:
        await engine.dispose()


async def _load(conn: AsyncConnection) -> None:
    business_id = await _add_business(conn)
    await _add_services(conn, business_id)
    password_hash = hash_password(PASSWORD)
    for provider in _PROVIDERS:
        provider_id = await _add_provider(conn, business_id, provider)
        user_id = await _add_user(conn, provider.login, provider.name, password_hash)
        await _add_membership(conn, user_id, business_id, "provider", provider_id)
    for login, name, role in _OTHERS:
        user_id = await _add_user(conn, login, name, password_hash)
        if role is not None:
            await _add_membership(conn, user_id, business_id, role, None)


async def _add_business(conn: AsyncConnection) -> UUID:
    business_id = new_id()
    await conn.execute(
        insert(Business).values(
            id=business_id,
            slug=BUSINESS,
            name="Demo Garage",
            timezone=TIMEZONE,
            currency="USD",
            policy=Policy().model_dump(mode="json"),
        )
    )
    await conn.execute(insert(WeeklyHours), _hours(business_id, _MONDAY_TO_SATURDAY))
    return business_id


def _hours(business_id: UUID, weekdays: Sequence[int]) -> list[dict[str, object]]:
    return [
        {
            "id": new_id(),
            "business_id": business_id,
            "weekday": weekday,
            "opens_minute": _OPENS,
            "closes_minute": _CLOSES,
        }
        for weekday in weekdays
    ]


async def _add_services(conn: AsyncConnection, business_id: UUID) -> None:
    rows = [
        {
            "id": new_id(),
            "business_id": business_id,
            "code": service.code,
            "name": service.name,
            "duration_minutes": service.minutes,
            "buffer_after_minutes": service.buffer_after,
            "price_minor": service.price_minor,
            "currency": "USD",
            "required_skills": [service.code],
        }
        for service in _SERVICES
    ]
    await conn.execute(insert(Service), rows)


async def _add_provider(conn: AsyncConnection, business_id: UUID, provider: _Provider) -> UUID:
    provider_id = new_id()
    await conn.execute(
        insert(Provider).values(
            id=provider_id,
            business_id=business_id,
            name=provider.name,
            email=provider_email(provider.name),
            skills=list(provider.skills),
            rating=provider.rating,
        )
    )
    return provider_id


async def _add_user(conn: AsyncConnection, login: str, name: str, password_hash: str) -> UUID:
    user_id = new_id()
    values = {"id": user_id, "email": login_email(login), "name": name, "password_hash": password_hash}
    await conn.execute(insert(User).values(**values))
    return user_id


async def _add_membership(
    conn: AsyncConnection, user_id: UUID, business_id: UUID, role: str, provider_id: UUID | None
) -> None:
    values = {"user_id": user_id, "business_id": business_id, "role": role, "provider_id": provider_id}
    await conn.execute(insert(Membership).values(**values))
