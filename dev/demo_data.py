"""Loads the demo business into a development stack, once.

The users are inserted into the database, so that their passwords are known; everything else is created through the
API. The next start resumes an interrupted load: existing objects are not changed.
"""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from api.auth.passwords import hash_password
from db.engine import unpooled_engine
from db.models import User
from dev.demo_business import (
    BUSINESS,
    BUSINESS_DETAILS,
    CUSTOMER,
    HOLIDAYS,
    HOURS,
    PASSWORD,
    PROVIDERS,
    SERVICES,
    login_email,
)
from dev.demo_check import needs_demo_data
from dev.demo_client import ApiError, DemoClient, Json, demo_http
from runtime.ids import new_id

_PEOPLE = {
    login_email("admin"): "Demo Admin",
    login_email("owner"): "Demo Owner",
    CUSTOMER: "Demo Customer",
} | {provider["email"]: provider["name"] for provider in PROVIDERS}


async def load(api_url: str, database_url: str) -> bool:
    """Set the demo business up; False if it exists, or if there are other businesses.

    Raises:
        DevError: the API refuses a request.
    """
    if not await needs_demo_data(database_url):
        return False
    engine = unpooled_engine(database_url)
    try:
        async with engine.begin() as conn:
            people = await _add_people(conn)
    finally:
        await engine.dispose()
    async with demo_http(api_url) as http:
        await _set_up(await DemoClient.log_in(http, login_email("owner")), people)
    return True


async def _add_people(conn: AsyncConnection) -> dict[str, str]:
    """Insert the missing demo users; returns all their ids by address."""
    secret = hash_password(PASSWORD)
    rows = [
        {"id": new_id(), "email": email, "name": name, "password_hash": secret} for email, name in _PEOPLE.items()
    ]
    await conn.execute(insert(User).values(rows).on_conflict_do_nothing())
    found = await conn.execute(select(User.email, User.id).where(User.email.in_(_PEOPLE)))
    return {email: str(user_id) for email, user_id in found}


async def _set_up(owner: DemoClient, people: dict[str, str]) -> None:
    """Create the business, add its services and people, and activate it."""
    business = f"/v1/businesses/{BUSINESS}"
    await _create(owner, "/v1/businesses", BUSINESS_DETAILS)
    await owner.call("PUT", f"{business}/hours", HOURS)
    for date, holiday in HOLIDAYS.items():
        await owner.call("PUT", f"{business}/exceptions/{date}", holiday)
    for service in SERVICES:
        await _create(owner, f"{business}/services", service)
    for provider in PROVIDERS:
        await _create(owner, f"{business}/providers", provider | {"user_id": people[provider["email"]]})
    await owner.call("PUT", f"{business}/members/{people[login_email('admin')]}", {"role": "admin"})
    await owner.call("PATCH", business, {"status": "active"}, {"If-Match": "*"})


async def _create(owner: DemoClient, path: str, body: Json) -> None:
    try:
        await owner.call("POST", path, body)
    except ApiError as error:
        if error.code != "already_exists":  # an interrupted load has created it
            raise
