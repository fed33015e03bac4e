"""Loading the demo business into the dev stack, once, and never anywhere else.

Its people are written to the database, as accounts have no endpoint yet; all else is set up through the API.
A load that was interrupted is taken up again at the next start: what is there already stays as it is.
"""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from api.auth.passwords import hash_password
from db.engine import unpooled_engine
from db.models import User
from dev.demo_business import FOUNDED, HOLIDAYS, HOURS, PROVIDERS, SERVICES
from dev.demo_client import ApiError, DemoClient, Json, demo_http
from dev.demo_users import BUSINESS, CUSTOMER, PASSWORD, login_email
from dev.demo_wanted import demo_is_wanted
from runtime.ids import new_id

_PEOPLE = {
    login_email("admin"): "Demo Admin",
    login_email("owner"): "Demo Owner",
    CUSTOMER: "Demo Customer",
} | {provider["email"]: provider["name"] for provider in PROVIDERS}


async def load(api_url: str, database_url: str) -> bool:
    """Set the demo business up; False when it is there, or when there are real ones.

    Raises:
        DevError: the API refuses a part of it.
    """
    if not await demo_is_wanted(database_url):
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
    """The ids of the demo's users by address, made where they are missing."""
    secret = hash_password(PASSWORD)
    rows = [
        {"id": new_id(), "email": email, "name": name, "password_hash": secret} for email, name in _PEOPLE.items()
    ]
    await conn.execute(insert(User).values(rows).on_conflict_do_nothing())
    found = await conn.execute(select(User.email, User.id).where(User.email.in_(_PEOPLE)))
    return {email: str(user_id) for email, user_id in found}


async def _set_up(owner: DemoClient, people: dict[str, str]) -> None:
    """Found the business, fill it and open it, in the order in which anybody would."""
    business = f"/v1/businesses/{BUSINESS}"
    await _make(owner, "/v1/businesses", FOUNDED)
    await owner.call("PUT", f"{business}/hours", HOURS)
    for date, holiday in HOLIDAYS.items():
        await owner.call("PUT", f"{business}/exceptions/{date}", holiday)
    for service in SERVICES:
        await _make(owner, f"{business}/services", service)
    for provider in PROVIDERS:
        await _make(owner, f"{business}/providers", provider | {"user_id": people[provider["email"]]})
    await owner.call("PUT", f"{business}/members/{people[login_email('admin')]}", {"role": "admin"})
    await owner.call("PATCH", business, {"status": "active"}, {"If-Match": "*"})


async def _make(owner: DemoClient, path: str, body: Json) -> None:
    try:
        await owner.call("POST", path, body)
    except ApiError as error:
        if error.code != "already_exists":  # then the load before this one got so far
            raise
