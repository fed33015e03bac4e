"""Authorisation: which callers have which permission, and as whom they act on a booking."""

from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from domain.booking import Actor
from domain.callers import Anonymous, Caller, CallerKind, Guest, KeyHolder, Membership, Scope
from domain.errors import ForbiddenError, HiddenError, HoldfastError, UnauthenticatedError
from domain.lifecycle import MANAGERS, Command, Role, may_command

_PRECEDENCE = (Role.ADMIN, Role.OWNER, Role.PROVIDER, Role.CUSTOMER)


class Permission(StrEnum):
    """What a route requires. Commands on bookings are further restricted in `domain.lifecycle`."""

    PROBE = "probe"
    """Check the process's health."""
    BROWSE = "browse"
    """Read the public catalogue and the slots."""
    SIGN_IN = "sign_in"
    """Log in, or register."""
    CALL_BACK = "call_back"
    """Call back as a vendor; the call's signature authenticates it."""
    MANAGE_ACCOUNT = "manage_account"
    """Manage one's own account."""
    FOUND_BUSINESS = "found_business"
    """Found a business, and list those in which one has a role."""
    MANAGE_BUSINESS = "manage_business"
    """Change the business, its catalogue, hours and areas; import and export."""
    KEEP_EXPORTS = "keep_exports"
    """Export the business, including customers, into its storage, and read the exports."""
    MANAGE_MEMBERS = "manage_members"
    """Add and remove owners and admins."""
    MANAGE_API_KEYS = "manage_api_keys"
    MANAGE_INTEGRATIONS = "manage_integrations"
    """Manage accounts at vendors, with their secrets."""
    READ_MESSAGES = "read_messages"
    """Read the messages sent about a booking."""
    READ_JOBS = "read_jobs"
    """Read the effects of bookings at vendors."""
    REPAIR_JOBS = "repair_jobs"
    """Retry or skip a stuck effect."""
    RECONCILE = "reconcile"
    """Start a reconciliation, and dismiss findings."""
    LISTEN = "listen"
    """Open a stream; what is heard there, each stream says."""
    READ_EVENTS = "read_events"
    """Read the stream of a business's events."""
    MANAGE_WEBHOOKS = "manage_webhooks"
    """Manage the endpoints that receive a business's events."""
    READ_REPORTS = "read_reports"
    READ_AUDIT_LOG = "read_audit_log"
    MANAGE_CALENDAR = "manage_calendar"
    """Manage a provider's hours, exceptions and time off; providers their own only."""
    READ_CUSTOMERS = "read_customers"
    MANAGE_CUSTOMERS = "manage_customers"
    HOLD = "hold"
    """Hold a slot for a while."""
    BOOK = "book"
    READ_BOOKINGS = "read_bookings"
    """Read the bookings within one's reach; see `api.bookings`."""
    PAY_BOOKINGS = "pay_bookings"
    """Provide a payment method for a booking."""
    ATTACH_FILES = "attach_files"
    """Attach files to the bookings within one's reach."""
    COMMAND_BOOKINGS = "command_bookings"
    """Give commands to the bookings within one's reach; the lifecycle decides which."""


class Rule(BaseModel):
    """Who has a permission."""

    model_config = ConfigDict(frozen=True)

    kinds: frozenset[CallerKind]
    roles: frozenset[Role] = frozenset()
    """Of users: roles in the business that grant it; empty: every user has it, or it is not about a business."""
    scope: Scope | None = None
    """Of API keys: the scope that grants it."""


_EVERYBODY: Final = frozenset(CallerKind)
_USERS: Final = frozenset({CallerKind.USER})
_USERS_AND_KEYS: Final = _USERS | {CallerKind.API_KEY}
_KNOWN: Final = _USERS_AND_KEYS | {CallerKind.GUEST}

PERMITTED: Final = MappingProxyType(
    {
        Permission.PROBE: Rule(kinds=_EVERYBODY),
        Permission.BROWSE: Rule(kinds=_EVERYBODY),
        Permission.SIGN_IN: Rule(kinds=_EVERYBODY),
        Permission.CALL_BACK: Rule(kinds=_EVERYBODY),
        Permission.MANAGE_ACCOUNT: Rule(kinds=_USERS),
        Permission.FOUND_BUSINESS: Rule(kinds=_USERS),
        Permission.MANAGE_BUSINESS: Rule(kinds=_USERS_AND_KEYS, roles=MANAGERS, scope=Scope.MANAGE_BUSINESS),
        Permission.KEEP_EXPORTS: Rule(kinds=_USERS, roles=MANAGERS),
        Permission.MANAGE_MEMBERS: Rule(kinds=_USERS, roles=MANAGERS),
        Permission.MANAGE_API_KEYS: Rule(kinds=_USERS, roles=MANAGERS),
        Permission.MANAGE_INTEGRATIONS: Rule(kinds=_USERS, roles=MANAGERS),
        Permission.READ_MESSAGES: Rule(kinds=_USERS_AND_KEYS, roles=MANAGERS, scope=Scope.READ_CUSTOMERS),
        Permission.READ_JOBS: Rule(kinds=_USERS_AND_KEYS, roles=MANAGERS, scope=Scope.READ_BOOKINGS),
        Permission.REPAIR_JOBS: Rule(kinds=_USERS, roles=frozenset({Role.ADMIN})),
        Permission.RECONCILE: Rule(kinds=_USERS, roles=MANAGERS),
        Permission.LISTEN: Rule(kinds=_KNOWN),
        Permission.READ_EVENTS: Rule(kinds=_USERS_AND_KEYS, roles=MANAGERS, scope=Scope.READ_EVENTS),
        Permission.MANAGE_WEBHOOKS: Rule(kinds=_USERS, roles=MANAGERS),
        Permission.READ_REPORTS: Rule(kinds=_USERS_AND_KEYS, roles=MANAGERS, scope=Scope.READ_BOOKINGS),
        Permission.READ_AUDIT_LOG: Rule(kinds=_USERS, roles=MANAGERS),
        Permission.MANAGE_CALENDAR: Rule(
            kinds=_USERS_AND_KEYS, roles=MANAGERS | {Role.PROVIDER}, scope=Scope.MANAGE_BUSINESS
        ),
        Permission.READ_CUSTOMERS: Rule(kinds=_USERS_AND_KEYS, roles=MANAGERS, scope=Scope.READ_CUSTOMERS),
        Permission.MANAGE_CUSTOMERS: Rule(kinds=_USERS_AND_KEYS, roles=MANAGERS, scope=Scope.MANAGE_CUSTOMERS),
        Permission.HOLD: Rule(kinds=_USERS),
        Permission.BOOK: Rule(kinds=_EVERYBODY - {CallerKind.GUEST}, scope=Scope.BOOK),
        Permission.READ_BOOKINGS: Rule(kinds=_KNOWN, scope=Scope.READ_BOOKINGS),
        Permission.PAY_BOOKINGS: Rule(kinds=_KNOWN, roles=MANAGERS | {Role.CUSTOMER}, scope=Scope.MANAGE_BOOKINGS),
        Permission.ATTACH_FILES: Rule(kinds=_KNOWN, scope=Scope.MANAGE_BOOKINGS),
        Permission.COMMAND_BOOKINGS: Rule(kinds=_KNOWN, scope=Scope.MANAGE_BOOKINGS),
    }
)
"""Every permission, and who has it."""


def require_permission(caller: Caller, permission: Permission) -> None:
    """Check that the caller may have the permission at all; `require_membership` checks it for one business.

    Raises:
        UnauthenticatedError: the caller is anonymous.
        ForbiddenError: callers of this kind never have it, or the API key lacks the scope.
    """
    rule = PERMITTED[permission]
    if caller.kind not in rule.kinds:
        if isinstance(caller, Anonymous):
            raise UnauthenticatedError
        raise ForbiddenError(_NOT_FOR[caller.kind])
    if isinstance(caller, KeyHolder) and rule.scope is not None and rule.scope not in caller.scopes:
        raise ForbiddenError(f"The API key lacks the scope {rule.scope}.")


_NOT_FOR: Final = MappingProxyType(
    {
        CallerKind.USER: "Users may not do this.",
        CallerKind.API_KEY: "An API key may not do this: a person must log in.",
        CallerKind.GUEST: "The link of a booking opens that booking alone.",
    }
)


def require_membership(
    caller: Caller, permission: Permission, business_id: UUID, *, provider_id: UUID | None = None
) -> Membership:
    """The membership that grants the permission; for a provider's calendar, name the provider.

    Raises:
        HiddenError: the caller has no role in the business, and must not learn more about it.
        ForbiddenError: their roles do not grant it.
    """
    require_permission(caller, permission)
    here = [m for m in caller.memberships if m.business_id == business_id]
    if not here:
        raise HiddenError
    for membership in sorted(here, key=lambda m: _PRECEDENCE.index(m.role)):
        own = membership.role is not Role.PROVIDER or membership.provider_id == provider_id
        if membership.role in PERMITTED[permission].roles and own:
            return membership
    raise ForbiddenError


def may(caller: Caller, permission: Permission, business_id: UUID) -> bool:
    """Whether `require_membership` would succeed."""
    try:
        require_membership(caller, permission, business_id)
    except HoldfastError:
        return False
    return True


def actors_for(
    caller: Caller,
    booking_id: UUID,
    *,
    business_id: UUID,
    provider_id: UUID | None,
    customer_user_id: UUID | None,
) -> list[Actor]:
    """As whom the caller may act on a booking with this business, provider and customer; strongest role first."""
    if isinstance(caller, Guest):
        return [Actor(role=Role.CUSTOMER)] if caller.booking_id == booking_id else []
    actors = [
        Actor(role=m.role, user_id=caller.id, provider_id=m.provider_id)
        for m in caller.memberships
        if m.business_id == business_id and (m.role is not Role.PROVIDER or m.provider_id == provider_id)
    ]
    if customer_user_id is not None and customer_user_id == caller.id:
        actors.append(Actor(role=Role.CUSTOMER, user_id=caller.id))
    return sorted(actors, key=lambda actor: _PRECEDENCE.index(actor.role))


def actor_for_command(actors: list[Actor], command: Command) -> Actor:
    """The first of the actors who may give the command.

    Raises:
        ForbiddenError: none of them may.
    """
    for actor in actors:
        if may_command(actor.role, command):
            return actor
    roles = " or ".join(actor.role for actor in actors)
    raise ForbiddenError(f"As {roles} you may not {command} this booking.")


def actor_managing(caller: Caller, business_id: UUID) -> Actor:
    """As whom the caller changes a business: by their strongest role in it, or as the owner who founds it."""
    here = [m for m in caller.memberships if m.business_id == business_id]
    here.sort(key=lambda m: _PRECEDENCE.index(m.role))
    if here:
        return Actor(role=here[0].role, user_id=caller.id, provider_id=here[0].provider_id)
    return Actor(role=Role.OWNER, user_id=caller.id)


def actor_creating(caller: Caller, business_id: UUID) -> Actor:
    """As whom the caller creates a booking: staff and keys for the business, everybody else for themselves.

    Raises:
        ForbiddenError: the API key belongs to another business.
    """
    here = [m for m in caller.memberships if m.business_id == business_id]
    here.sort(key=lambda m: _PRECEDENCE.index(m.role))
    if here:
        return Actor(role=here[0].role, user_id=caller.id, provider_id=here[0].provider_id)
    if isinstance(caller, KeyHolder):
        raise ForbiddenError("This API key is another business's.")
    return Actor(role=Role.CUSTOMER, user_id=caller.id)
