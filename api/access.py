"""What a route needs, declared with the route: `dependencies=[needs(Permission.MANAGE_BUSINESS)]`.

The check runs before the handler, by the table in `domain.access`. An application with a route that declares no
permission does not start.
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

from api.deps import AppState, AppStateDep
from api.paths import IdOrSlug, names_something
from api.request_context import RequestContext, context_of
from db.engine import autocommit
from db.repositories import businesses, providers
from db.repositories.rows import Row
from domain.access import PERMITTED, Permission, require_membership, require_permission
from domain.callers import Caller, CallerKind, Membership, Principal
from domain.errors import NotFoundError, UnauthenticatedError
from domain.lifecycle import Role

_OPEN: Final = (Permission.SIGN_IN, Permission.PROBE, Permission.CALL_BACK)


class Needs:
    """The dependency by which a route declares its permission."""

    def __init__(self, permission: Permission, *, is_audited: bool = True) -> None:
        self.permission = permission
        self._is_audited = is_audited
        self._parameters: frozenset[str] | None = None

    async def __call__(self, request: Request) -> None:
        """Admit the caller, or refuse them.

        Raises:
            RequestValidationError: a query parameter that the route does not know.
            UnauthenticatedError: the credentials are missing or not valid.
            NotFoundError: there is no such business.
            ForbiddenError: their kind, roles or scopes do not allow it.
        """
        context, app = context_of(request), request.app.state.holdfast
        business = request.path_params.get("business")
        # Who logs in again may still send an expired token.
        if context.refusal is not None and self.permission not in _OPEN:
            await _note_business(app, context, business)
            raise context.refusal
        rule = PERMITTED[self.permission]
        if rule.roles and business is not None:
            if CallerKind.ANONYMOUS is context.caller.kind:
                await _note_business(app, context, business)
                raise UnauthenticatedError
            found = await _business(app, context, business)
            provider_id = await _provider_id(app, request, found) if Role.PROVIDER in rule.roles else None
            request.state.membership = require_membership(
                context.caller, self.permission, found["id"], provider_id=provider_id
            )
            request.state.business = found
        else:
            require_permission(context.caller, self.permission)
        self._refuse_unknown_parameters(request)
        if not self._is_audited:
            context.settle_audit()

    def _refuse_unknown_parameters(self, request: Request) -> None:
        if not request.query_params:
            return
        if self._parameters is None:  # always the same: a declaration belongs to one route
            self._parameters = _query_parameters(request.scope["route"].dependant)
        unknown = sorted(set(request.query_params) - self._parameters)
        if unknown:
            message = "there is no such parameter"
            raise RequestValidationError([{"loc": ("query", name), "msg": message} for name in unknown])


def needs(permission: Permission, *, is_audited: bool = True) -> Any:
    """The declaration of a route: only callers with this permission reach its handler.

    Without `is_audited` the audit log has no line of it once the caller is let in: a `POST` that changes nothing.
    """
    return Depends(Needs(permission, is_audited=is_audited))


def permission_of(route: APIRoute) -> Permission | None:
    """The permission that the route declares."""
    declared: list[object] = [depends.dependency for depends in route.dependencies]
    found = [needed.permission for needed in declared if isinstance(needed, Needs)]
    return found[0] if len(found) == 1 else None


def require_declarations(routes: Sequence[BaseRoute]) -> None:
    """Refuse an application in which a route declares no permission.

    Raises:
        RuntimeError: naming the routes.
    """
    declaring = [context.original_route for context in iter_route_contexts(routes)]
    silent = [r.path for r in declaring if isinstance(r, APIRoute) and permission_of(r) is None]
    if silent:
        raise RuntimeError(f"routes that do not declare one permission: {', '.join(silent)}")


async def _note_business(app: AppState, context: RequestContext, business: str | None) -> None:
    """Find whose audit log a denial belongs to; the answer does not tell whether the business exists."""
    with suppress(NotFoundError):
        if business is not None:
            await _business(app, context, business)


async def _business(app: AppState, context: RequestContext, id_or_slug: str) -> Row:
    """The business that the path names; the request is about it from now on."""
    row = None
    if names_something(id_or_slug):
        async with autocommit(app.engine) as conn:
            row = await businesses.find(conn, id_or_slug)
    if row is None:
        raise NotFoundError(f"There is no business '{id_or_slug}'.")
    context.about(row["id"])
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
    if found is None:  # the route is open to everybody, so nobody has looked it up yet
        found = await _business(app, context_of(request), business)
    return found


async def _membership(request: Request) -> Membership:
    membership: Membership = request.state.membership
    return membership


CallerDep = Annotated[Caller, Depends(_caller)]
UserDep = Annotated[Principal, Depends(_user)]
"""Of a route that only users may call."""
BusinessDep = Annotated[Row, Depends(_found_business)]
"""The business of the path, `businesses.find`; 404 where there is none."""
MembershipDep = Annotated[Membership, Depends(_membership)]
"""The membership by which the caller was admitted."""
