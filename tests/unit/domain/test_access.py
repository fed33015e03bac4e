"""The role in which a caller acts on a booking, and who may not act."""

from uuid import UUID

import pytest

from domain.access import actor_creating, actor_for_command, actors_for
from domain.booking import Actor
from domain.callers import Membership, Principal, businesses_run_by, providers_acted_as_by
from domain.errors import ForbiddenError
from domain.lifecycle import Command, Role
from tests.support.domain.builders import ANA, BEN, BUSINESS, USER

ELSEWHERE = UUID(int=99)
BOOKING = UUID(int=97)


def somebody(*roles: Role, business_id: UUID = BUSINESS) -> Principal:
    """A user with these roles; as a provider they are Ana."""
    memberships = tuple(
        Membership(business_id=business_id, role=role, provider_id=ANA if role is Role.PROVIDER else None)
        for role in roles
    )
    return Principal(user_id=USER, memberships=memberships)


def acting(principal: Principal, *, provider_id: UUID | None = ANA, customer: UUID | None = None) -> list[str]:
    """The roles in which the principal acts on a booking of the business."""
    actors = actors_for(
        principal, BOOKING, business_id=BUSINESS, provider_id=provider_id, customer_user_id=customer
    )
    assert {actor.user_id for actor in actors} <= {USER}
    return [actor.role for actor in actors]


def test_a_stranger_acts_as_nobody() -> None:
    assert acting(somebody(), customer=UUID(int=98)) == []


@pytest.mark.parametrize("role", [Role.PROVIDER, Role.OWNER, Role.ADMIN])
def test_a_role_in_another_business_counts_for_nothing_here(role: Role) -> None:
    assert acting(somebody(role, business_id=ELSEWHERE)) == []


def test_the_customer_acts_as_customer() -> None:
    assert acting(somebody(), customer=USER) == ["customer"]


def test_a_provider_acts_only_on_bookings_that_are_theirs() -> None:
    assert acting(somebody(Role.PROVIDER)) == ["provider"]
    assert acting(somebody(Role.PROVIDER), provider_id=BEN) == []
    assert acting(somebody(Role.PROVIDER), provider_id=None) == []


def test_the_strongest_role_comes_first() -> None:
    many = somebody(Role.PROVIDER, Role.ADMIN, Role.OWNER)
    assert acting(many, customer=USER) == ["admin", "owner", "provider", "customer"]


def test_a_provider_s_actor_names_the_provider() -> None:
    actors = actors_for(
        somebody(Role.PROVIDER), BOOKING, business_id=BUSINESS, provider_id=ANA, customer_user_id=None
    )
    assert actors == [Actor(role=Role.PROVIDER, user_id=USER, provider_id=ANA)]


def test_a_command_is_given_in_the_first_role_that_may() -> None:
    actors = [Actor(role=Role.PROVIDER, provider_id=ANA), Actor(role=Role.CUSTOMER)]
    assert actor_for_command(actors, Command.CANCEL).role is Role.CUSTOMER
    assert actor_for_command(actors, Command.ACCEPT).role is Role.PROVIDER


def test_a_command_that_none_of_the_roles_may_give_is_forbidden_by_name() -> None:
    with pytest.raises(ForbiddenError, match="As provider or customer you may not override"):
        actor_for_command([Actor(role=Role.PROVIDER), Actor(role=Role.CUSTOMER)], Command.OVERRIDE)


def test_a_command_of_nobody_is_forbidden() -> None:
    with pytest.raises(ForbiddenError):
        actor_for_command([], Command.CANCEL)


def test_staff_book_for_the_business_in_their_strongest_role() -> None:
    assert actor_creating(somebody(Role.PROVIDER, Role.OWNER), BUSINESS).role is Role.OWNER
    assert actor_creating(somebody(Role.PROVIDER), BUSINESS) == Actor(
        role=Role.PROVIDER, user_id=USER, provider_id=ANA
    )


@pytest.mark.parametrize("principal", [somebody(), somebody(Role.ADMIN, business_id=ELSEWHERE)])
def test_everybody_else_books_for_themselves(principal: Principal) -> None:
    assert actor_creating(principal, BUSINESS) == Actor(role=Role.CUSTOMER, user_id=USER)


@pytest.mark.parametrize(
    ("role", "runs"), [(Role.PROVIDER, ()), (Role.OWNER, (BUSINESS,)), (Role.ADMIN, (BUSINESS,))]
)
def test_only_the_desk_sees_every_booking(role: Role, runs: tuple[UUID, ...]) -> None:
    assert businesses_run_by(somebody(role)) == runs


def test_a_provider_is_one_provider_however_many_roles_they_have() -> None:
    assert providers_acted_as_by(somebody(Role.PROVIDER, Role.OWNER)) == (ANA,)
    assert providers_acted_as_by(somebody(Role.OWNER)) == ()
