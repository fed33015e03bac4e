"""Every kind of caller of a business's routes, what each may do, and what none of them may learn.

Expectations follow from `domain.access.PERMITTED`, the lifecycle's table and ownership: from
rules, not from a list of routes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from fastapi.routing import APIRoute
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from api.access import permission_of
from api.identity.credentials import KEY_MARK, PREFIX_LENGTH
from api.identity.tokens import Tokens, load_tokens
from db.models import ApiKey, Membership, Session
from domain.access import PERMITTED, Permission, Rule
from domain.accounts import token_hash
from domain.callers import CallerKind, Scope
from domain.lifecycle import MANAGERS, Command, Role, may_command
from runtime.ids import new_id
from runtime.settings import Settings
from tests.support.factories import Tenant, add_user, future

IN: Final = 200
"""Let in, whatever the answer then is: anything but 401, 403 and 404."""
_WHOEVER_ASKS: Final = {Permission.PROBE, Permission.SIGN_IN, Permission.CALL_BACK}
"""Whom a bad credential does not stop: they may be about to get a good one."""
_COMMANDS: Final = {command.value for command in Command}


@dataclass(frozen=True)
class Caller:
    """A caller with a credential, as seen from the business whose routes they call."""

    name: str
    kind: CallerKind
    token: str | None = None
    user_id: UUID | None = None
    is_ours: bool = False
    """They have to do with that business."""
    role: Role | None = None
    """In that business; none: a customer, or nobody."""
    is_the_provider: bool = False
    """The one whom the paths name and the booking has."""
    is_the_customer: bool = False
    """Of the booking and the hold that the paths name, or with the booking's link."""
    scopes: frozenset[Scope] = frozenset()
    is_valid: bool = True
    """Their credential is."""


def expected(route: APIRoute, caller: Caller) -> int:
    """`IN`, 401, 403 or 404."""
    permission = permission_of(route)
    assert permission is not None
    rule = PERMITTED[permission]
    if permission is Permission.CALL_BACK:
        return 401  # nobody's credentials are a vendor's signature
    if not caller.is_valid:
        return IN if permission in _WHOEVER_ASKS else 401
    if caller.kind not in rule.kinds:
        return 401 if caller.kind is CallerKind.ANONYMOUS else 403
    if caller.kind is CallerKind.API_KEY and rule.scope is not None and rule.scope not in caller.scopes:
        return 403
    if rule.roles and "{business}" in route.path:
        return _in_business(route, rule, caller)
    return _with_an_object(route, permission, caller)


def _in_business(route: APIRoute, rule: Rule, caller: Caller) -> int:
    if not caller.is_ours or caller.role is None:
        return 404
    own = caller.role is not Role.PROVIDER or (caller.is_the_provider and "{provider}" in route.path)
    return IN if caller.role in rule.roles and own else 403


def _with_an_object(route: APIRoute, permission: Permission, caller: Caller) -> int:
    if permission is Permission.BOOK:
        foreign = caller.kind is CallerKind.API_KEY and not caller.is_ours
        return 403 if foreign else IN
    if "{hold_id}" in route.path:
        # To give back what is not there, or not theirs, is no error and does nothing.
        return IN if caller.is_the_customer or route.methods == {"DELETE"} else 404
    if "{booking_id}" in route.path:
        return _with_the_booking(route, PERMITTED[permission], caller)
    return IN


def _with_the_booking(route: APIRoute, rule: Rule, caller: Caller) -> int:
    roles = _roles_in_the_booking(caller)
    if not roles:
        return 404
    if rule.roles and not rule.roles & roles:
        return 403
    if "{attachment_id}" in route.path and route.methods == {"DELETE"} and not roles & MANAGERS:
        return 403  # it is the desk that has attached it
    last = route.path.rsplit("/", 1)[-1]
    if last in _COMMANDS and not any(may_command(role, Command(last)) for role in roles):
        return 403
    return IN


def _roles_in_the_booking(caller: Caller) -> set[Role]:
    roles = {Role.CUSTOMER} if caller.is_the_customer else set()
    if caller.role is not None and (caller.role is not Role.PROVIDER or caller.is_the_provider):
        roles.add(caller.role)
    return roles


class CallerFactory:
    """Creates the credentials directly in the database."""

    def __init__(self, engine: AsyncEngine, settings: Settings, ours: Tenant, theirs: Tenant) -> None:
        self._engine = engine
        self._settings = settings
        self._tokens: Tokens = load_tokens(settings)
        self._tokens.lifetime = timedelta(days=1)
        self._ours = ours
        self._theirs = theirs

    async def everybody(self, booking_id: UUID, other_booking_id: UUID) -> list[Caller]:
        """All callers; the first booking is our tenant's, the second the other tenant's."""
        return [
            Caller("anonymous", CallerKind.ANONYMOUS),
            *self._users(),
            *await self._keys(),
            *self._guests(booking_id, other_booking_id),
            *await self._broken(),
        ]

    async def token_of(self, name: str) -> str | None:
        """The token of a caller of our tenant: `anonymous`, `key` (with every scope), `customer`, a provider, …"""
        if name == "anonymous":
            return None
        if name == "key":
            return await self._key(self._ours, frozenset(Scope))
        return self.token_for(self._ours.principals[name].user_id)

    def token_for(self, user_id: UUID) -> str:
        """An access token of this user."""
        return self._tokens.issue(user_id, user_id)

    def _users(self) -> Iterator[Caller]:
        for name, principal in self._ours.principals.items():
            role = principal.memberships[0].role if principal.memberships else None
            yield Caller(
                name,
                CallerKind.USER,
                self._tokens.issue(principal.user_id, principal.user_id),
                principal.user_id,
                is_ours=True,
                role=role,
                is_the_provider=name == "ana",
                is_the_customer=name == "customer",
            )
        for name, principal in self._theirs.principals.items():
            token = self._tokens.issue(principal.user_id, principal.user_id)
            yield Caller(f"other tenant's {name}", CallerKind.USER, token, principal.user_id)

    async def _keys(self) -> list[Caller]:
        """For each scope a key with only it and one with all others, and another tenant's key with all."""
        ours = []
        for scope in Scope:
            for title, scopes in (("", frozenset({scope})), ("all but ", frozenset(Scope) - {scope})):
                token = await self._key(self._ours, scopes)
                ours.append(
                    Caller(
                        f"key with {title}{scope}",
                        CallerKind.API_KEY,
                        token,
                        is_ours=True,
                        role=Role.OWNER,
                        scopes=scopes,
                    )
                )
        every = frozenset(Scope)
        token = await self._key(self._theirs, every)
        return [*ours, Caller("other tenant's key", CallerKind.API_KEY, token, scopes=every)]

    def _guests(self, booking_id: UUID, other_booking_id: UUID) -> list[Caller]:
        now = datetime.now(UTC)
        this, other = (
            self._tokens.issue_manage(one, now, now + timedelta(days=1)) for one in (booking_id, other_booking_id)
        )
        return [
            Caller("guest of this booking", CallerKind.GUEST, this, is_the_customer=True),
            Caller("guest of another booking", CallerKind.GUEST, other),
        ]

    async def _broken(self) -> list[Caller]:
        """Expired and revoked credentials of people who run the business."""
        owner = self._ours.principals["owner"].user_id
        past = datetime.now(UTC) - timedelta(minutes=1)
        every = frozenset(Scope)
        late = load_tokens(self._settings)
        late.lifetime = timedelta(minutes=-1)
        tokens = {
            "expired key": await self._key(self._ours, every, expires_at=past),
            "revoked key": await self._key(self._ours, every, revoked_at=past),
            "expired token": late.issue(owner, owner),
            "token of a login that has ended": await self._ended_login(past),
        }
        kinds = {"key": CallerKind.API_KEY}
        return [
            Caller(name, kinds.get(name.split()[-1], CallerKind.USER), token, is_valid=False)
            for name, token in tokens.items()
        ]

    async def _key(self, tenant: Tenant, scopes: frozenset[Scope], **columns: datetime) -> str:
        key_id = new_id()
        key = f"{KEY_MARK}{key_id.hex[::-1]}{key_id.hex}"
        values = {"name": key_id.hex, "created_by": tenant.principals["owner"].user_id, **columns}
        async with self._engine.begin() as conn:
            await conn.execute(
                insert(ApiKey).values(
                    id=key_id,
                    business_id=tenant.business_id,
                    prefix=key[:PREFIX_LENGTH],
                    secret_hash=token_hash(key),
                    scopes=sorted(scopes),
                    **values,
                )
            )
        return key

    async def _ended_login(self, at: datetime) -> str:
        session_id = new_id()
        async with self._engine.begin() as conn:
            user_id = await add_user(conn, "an owner")
            await conn.execute(
                insert(Membership).values(
                    user_id=user_id, business_id=self._ours.business_id, role=Role.OWNER, provider_id=None
                )
            )
            await conn.execute(
                insert(Session).values(
                    id=session_id, user_id=user_id, expires_at=future(), ended_at=at, end_reason="logout"
                )
            )
        return self._tokens.issue(user_id, session_id)
