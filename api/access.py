"""What a route needs, declared with the route: `dependencies=[needs(Permission.MANAGE_BUSINESS)]`.

Before the handler runs it is decided here, by the table in `domain.access`, whether the caller may. An application
with a route that declares nothing does not start.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Request, params
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute

from api.businesses.paths import IdOrSlug, names_something
from api.deps import AppState, AppStateDep
from api.request_context import RequestContext, context_of
from db.engine import autocommit
from db.repositories import businesses, providers
from db.repositories.rows import Row
from domain.access import PERMITTED, Permission, admit, require
from domain.callers import Caller, CallerKind, Membership, Principal
from domain.errors import NotFoundError, UnauthenticatedError
from domain.lifecycle import Role

_WHOEVER_ASKS: Final = (Permission.SIGN_IN, Permission.PROBE, Permission.CALL_BACK)


class Needs:
    """The dependency by which a route declares its permission."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission
        self._parameters: frozenset[str] | None = None

    async def __call__(self, request: Request) -> None:
        """Let the caller pass, or refuse them.

        Raises:
            RequestValidationError: a query parameter that the route does not know.
            UnauthenticatedError: they have not said who they are, or not credibly.
            NotFoundError: the business is not there, or none of theirs.
            ForbiddenError: their kind, roles or scopes do not allow it.
        """
        context, app = context_of(request), request.app.state.holdfast
        business = request.path_params.get("business")
        # Whoever signs in anew may still send the token that ran out.
        if context.refusal is not None and self.permission not in _WHOEVER_ASKS:
            await _note_business(app, context, business)
            raise context.refusal
        rule = PERMITTED[self.permission]
        if rule.roles and business is not None:
            if CallerKind.ANONYMOUS is context.caller.kind:
                await _note_business(app, context, business)
                raise UnauthenticatedError
            found = await _business(app, business)
            context.business_id = found["id"]
            provider_id = await _provider_id(app, request, found) if Role.PROVIDER in rule.roles else None
            request.state.membership = require(
                context.caller, self.permission, found["id"], provider_id=provider_id
            )
            request.state.business = found
        else:
            admit(context.caller, self.permission)
        self._refuse_unknown_parameters(request)

    def _refuse_unknown_parameters(self, request: Request) -> None:
        if not request.query_params:
            return
        if self._parameters is None:  # the same each time: a declaration belongs to one route
            self._parameters = _query_parameters(request.scope["route"].dependant)
        unknown = sorted(set(request.query_params) - self._parameters)
        if unknown:
            message = "there is no such parameter"
            raise RequestValidationError([{"loc": ("query", name), "msg": message} for name in unknown])


def needs(permission: Permission) -> Any:
    """The declaration of a route: only whoever has this permission gets to its handler."""
    return Depends(Needs(permission))


def permission_of(route: APIRoute) -> Permission | None:
    """What the route declares."""
    declared: list[object] = [depends.dependency for depends in route.dependencies]
    found = [needed.permission for needed in declared if isinstance(needed, Needs)]
    return found[0] if len(found) == 1 else None


def require_declarations(routes: Sequence[BaseRoute]) -> None:
    """Refuse an application in which a route declares nothing.

    Raises:
        RuntimeError: naming the routes.
    """
    declaring = [context.original_route for context in iter_route_contexts(routes)]
    silent = [r.path for r in declaring if isinstance(r, APIRoute) and permission_of(r) is None]
    if silent:
        raise RuntimeError(f"routes that do not declare one permission: {', '.join(silent)}")


async def _note_business(app: AppState, context: RequestContext, business: str | None) -> None:
    """Whose audit log a denial belongs to; nobody is told whether there is such a business."""
    with suppress(NotFoundError):
        if business is not None:
            context.business_id = (await _business(app, business))["id"]


async def _business(app: AppState, id_or_slug: str) -> Row:
    row = None
    if names_something(id_or_slug):
        async with autocommit(app.engine) as conn:
            row = await businesses.find(conn, id_or_slug)
    if row is None:
        raise NotFoundError(f"There is no business '{id_or_slug}'.")
    return row


async def _provider_id(app: AppState, request: Request, business: Row) -> UUID | None:
    provider = request.path_params.get("provider")
    if provider is None or not names_something(provider):
        return None
    async with autocommit(app.engine) as conn:
        request.state.provider = row = await providers.find(conn, business["id"], provider)
    return None if row is None else row["id"]


def _query_parameters(dependant: Dependant) -> frozenset[str]:
    known = get_flat_params(dependant)
    return frozenset(field.alias for field in known if isinstance(field.field_info, params.Query))


async def _caller(request: Request) -> Caller:
    return context_of(request).caller


async def _user(request: Request) -> Principal:
    caller = context_of(request).caller
    if not isinstance(caller, Principal):
        raise UnauthenticatedError
    return caller


async def _found_business(request: Request, app: AppStateDep, business: IdOrSlug) -> Row:
    found: Row | None = getattr(request.state, "business", None)
    if found is None:  # nobody had to be asked whether they may
        found = await _business(app, business)
        context_of(request).business_id = found["id"]
    return found


async def _membership(request: Request) -> Membership:
    membership: Membership = request.state.membership
    return membership


ThisCaller = Annotated[Caller, Depends(_caller)]
CurrentUser = Annotated[Principal, Depends(_user)]
"""Of a route that only users may call."""
ThisBusiness = Annotated[Row, Depends(_found_business)]
"""The business of the path, `businesses.find`; 404 where there is none."""
ThisMembership = Annotated[Membership, Depends(_membership)]
"""The membership by which the caller was let in."""
