"""Accounts for tests of logging in, and the mails sent to them."""

import asyncio
import email
import re
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from argon2 import PasswordHasher
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.api_client import ApiClient
from tests.support.factories import add_user
from tests.support.stage import PATIENCE_SECONDS, Json, ok

PASSWORD = "correct horse battery staple"
CHEAP_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
"""A hash says what it costs to verify it: these cost next to nothing."""


@dataclass(frozen=True)
class Account:
    user_id: UUID
    email: str


async def make_account(engine: AsyncEngine, password_hash: str = CHEAP_HASH) -> Account:
    """Somebody who can log in with `PASSWORD`."""
    async with engine.begin() as conn:
        user_id = await add_user(conn, "Robin", password_hash=password_hash)
    return Account(user_id, f"{user_id.hex}@users.example")


def new_address() -> str:
    """An address without an account."""
    return f"{uuid4().hex}@new.example"


async def forget_attempts(engine: AsyncEngine) -> None:
    """Delete all login attempts."""
    async with engine.begin() as conn:
        await conn.execute(text("DELETE FROM login_attempts"))


class SignedInUser:
    """A client with one access token; the fixtures' client makes its own tokens."""

    def __init__(self, api: ApiClient, tokens: Json) -> None:
        self._http = api._http
        self.tokens = tokens

    async def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        said = {"Authorization": f"Bearer {self.tokens['access_token']}"}
        return await self._http.request(method, path, json=body, headers=said)

    async def get(self, path: str) -> httpx.Response:
        return await self.send("GET", path)

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        return await self.send("POST", path, body)


async def try_login(api: ApiClient, address: str, password: str = PASSWORD) -> httpx.Response:
    return await api.post("/v1/auth/login", {"email": address, "password": password})


async def log_in(api: ApiClient, address: str, password: str = PASSWORD) -> SignedInUser:
    """Log this account in."""
    return SignedInUser(api, ok(await try_login(api, address, password)))


async def try_refresh(api: ApiClient, refresh_token: str) -> httpx.Response:
    return await api.post("/v1/auth/refresh", {"refresh_token": refresh_token})


async def mails_to(folder: str, address: str, count: int = 1) -> list[EmailMessage]:
    """The mails to an address, the oldest first, once there are so many."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(found := [mail for mail in _mails(folder) if mail["To"] == address]) < count:
            await asyncio.sleep(0.01)
    return found


def _mails(folder: str) -> list[EmailMessage]:
    files = sorted(Path(folder).glob("*.eml"))
    return [email.message_from_bytes(file.read_bytes(), policy=default) for file in files]


def token_in(mail: EmailMessage) -> str:
    """The token that a mail carries."""
    found = re.search(r"#token=(\S+)", mail.get_content())
    assert found is not None
    assert mail.get_content().count(found[1]) == 2, "in the link and by itself"
    return found[1]


async def audited(engine: AsyncEngine, object_id: object) -> list[tuple[str, str, str | None, str, UUID | None]]:
    """The lines of the audit log about an object: action, outcome, code and actor."""
    query = text("""
    SELECT action, outcome, code, actor_kind, actor_id FROM audit_log
    WHERE object_id = :id AND business_id IS NULL ORDER BY id
    """)
    async with engine.connect() as conn:
        return [tuple(row) for row in await conn.execute(query, {"id": str(object_id)})]
