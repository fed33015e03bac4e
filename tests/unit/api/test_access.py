"""Every route declares its access, or the application does not start."""

import pytest
from fastapi import APIRouter, FastAPI

from api.access import needs, require_declarations
from domain.access import Permission


async def _nothing() -> None: ...


def app_with(*declared: Permission) -> FastAPI:
    router = APIRouter()
    router.get("/here", dependencies=[needs(permission) for permission in declared])(_nothing)
    app = FastAPI(openapi_url=None)
    app.include_router(router)
    return app


def test_a_route_that_declares_what_it_needs_is_let_in() -> None:
    require_declarations(app_with(Permission.BROWSE).routes)


@pytest.mark.parametrize("declared", [(), (Permission.BROWSE, Permission.MANAGE_BUSINESS)])
def test_a_route_that_declares_nothing_or_two_things_is_not(declared: tuple[Permission, ...]) -> None:
    with pytest.raises(RuntimeError, match="/here"):
        require_declarations(app_with(*declared).routes)
