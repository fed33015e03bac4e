"""Who may do what: the roles a person has with regard to one booking, decided here and nowhere else."""

from enum import StrEnum
from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from domain.booking import Actor
from domain.errors import ForbiddenError, NotFoundError
from domain.lifecycle import Command, Role, may_command

_PRECEDENCE = (Role.ADMIN, Role.OWNER, Role.PROVIDER, Role.CUSTOMER)


class Membership(BaseModel):
    """A role in a business; providers act as one provider of it."""

    model_config = ConfigDict(frozen=True)

    business_id: UUID
    role: Role
    provider_id: UUID | None = None


class Principal(BaseModel):
    """Somebody who has proved who they are. Everybody may be a customer; memberships add to it."""

    model_config = ConfigDict(frozen=True)

    user_id: UUID
    memberships: tuple[Membership, ...] = ()

    def runs(self) -> tuple[UUID, ...]:
        """The businesses whose every booking they may see."""
        desk = (Role.OWNER, Role.ADMIN)
        return tuple({m.business_id for m in self.memberships if m.role in desk})

    def acts_as_providers(self) -> tuple[UUID, ...]:
        """The providers that they are."""
        return tuple({m.provider_id for m in self.memberships if m.provider_id is not None})


class Permission(StrEnum):
    """What may be done to a business as a whole; what may be done to a booking is in `domain.lifecycle`."""

    MANAGE_BUSINESS = "manage_business"
    """Change it, its catalogue, its people, hours and areas; import and export."""
    MANAGE_OWN_CALENDAR = "manage_own_calendar"
    """One's own hours, exceptions and time off."""
    READ_CUSTOMERS = "read_customers"
    MANAGE_CUSTOMERS = "manage_customers"


_DESK: Final = frozenset({Role.OWNER, Role.ADMIN})
PERMITTED: Final = {
    Permission.MANAGE_BUSINESS: _DESK,
    Permission.MANAGE_OWN_CALENDAR: _DESK | {Role.PROVIDER},
    Permission.READ_CUSTOMERS: _DESK,
    Permission.MANAGE_CUSTOMERS: _DESK,
}


def require(
    memberships: tuple[Membership, ...],
    permission: Permission,
    business_id: UUID,
    *,
    provider_id: UUID | None = None,
) -> Membership:
    """The membership by which this may be done; of a provider's calendar, name the provider.

    Raises:
        NotFoundError: they have nothing to do with this business, which is none of theirs to know more of.
        ForbiddenError: their roles in it do not allow it.
    """
    here = [m for m in memberships if m.business_id == business_id]
    if not here:
        raise NotFoundError
    for membership in sorted(here, key=lambda m: _PRECEDENCE.index(m.role)):
        own = membership.role is not Role.PROVIDER or membership.provider_id == provider_id
        if membership.role in PERMITTED[permission] and own:
            return membership
    raise ForbiddenError


def actors_for(
    principal: Principal, *, business_id: UUID, provider_id: UUID | None, customer_user_id: UUID | None
) -> list[Actor]:
    """As whom the principal may act on a booking of this business, provider and customer; strongest first."""
    actors = [
        Actor(role=m.role, user_id=principal.user_id, provider_id=m.provider_id)
        for m in principal.memberships
        if m.business_id == business_id and (m.role is not Role.PROVIDER or m.provider_id == provider_id)
    ]
    if customer_user_id == principal.user_id:
        actors.append(Actor(role=Role.CUSTOMER, user_id=principal.user_id))
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


def actor_creating(principal: Principal, business_id: UUID) -> Actor:
    """As whom the principal makes a booking: staff for the business, everybody else for themselves."""
    staff = [m for m in principal.memberships if m.business_id == business_id]
    staff.sort(key=lambda m: _PRECEDENCE.index(m.role))
    if staff:
        return Actor(role=staff[0].role, user_id=principal.user_id, provider_id=staff[0].provider_id)
    return Actor(role=Role.CUSTOMER, user_id=principal.user_id)
