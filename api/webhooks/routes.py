"""`/v1/businesses/{business}/webhook-endpoints`: the endpoints that get a business's events."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from api import caching
from api.access import BusinessDep, needs
from api.answers import changed, invalid
from api.caching import RequiredIfMatchDep
from api.deps import AppState, AppStateDep
from api.webhooks.schemas import (
    SecretRotation,
    WebhookEndpointChange,
    WebhookEndpointIn,
    WebhookEndpointMade,
    WebhookEndpointOut,
    WebhookEndpoints,
)
from api.webhooks.secret import encrypted, new_secret, rotated
from api.writes import WriterDep
from db.engine import autocommit
from db.repositories import webhooks
from db.repositories.rows import Row
from domain.access import Permission
from domain.errors import AlreadyExistsError, NotFoundError, TooManyWebhookEndpointsError
from domain.webhooks import MOST_ENDPOINTS, stored_form
from runtime.ids import new_id
from runtime.json import to_json
from runtime.outbound import OutboundRefusedError, check_url
from runtime.secrets import Secrets

router = APIRouter(prefix="/v1/businesses/{business}/webhook-endpoints", tags=["webhooks"])


@router.post(
    "",
    operation_id="createWebhookEndpoint",
    dependencies=[needs(Permission.MANAGE_WEBHOOKS)],
    status_code=201,
    response_model=WebhookEndpointMade,
)
async def create(business: BusinessDep, body: WebhookEndpointIn, app: AppStateDep, write: WriterDep) -> Response:
    """Be told of events from now on. The `secret` that signs them is in this answer and nowhere else.

    That is why no Idempotency-Key is taken here. The URL does what one would do: a request that is repeated is
    answered with 409 `already_exists` and the `id` of the endpoint that is there; rotate its secret.
    """
    url = _checked_url(app, body.url)
    secret = new_secret()
    values = body.model_dump() | {"id": new_id(), "url": url, "secret": encrypted(_keys(app), stored_form(secret))}
    async with write.begin() as conn:
        await webhooks.lock_business(conn, business["id"])
        _require_room(await webhooks.list_all(conn, business["id"]), url)
        row = await webhooks.add(conn, business["id"], values)
        write.set_object_id(row["id"])
    location = f"/v1/businesses/{business['id']}/webhook-endpoints/{row['id']}"
    headers = {"ETag": caching.etag(to_json(_shown(row))), "Location": location, "Cache-Control": "no-store"}
    return Response(to_json(_made(row, secret)), 201, headers, "application/json")


@router.get(
    "",
    operation_id="listWebhookEndpoints",
    dependencies=[needs(Permission.MANAGE_WEBHOOKS)],
    response_model=WebhookEndpoints,
)
async def list_endpoints(business: BusinessDep, request: Request, app: AppStateDep) -> Response:
    """All endpoints, the oldest first, without their secrets."""
    async with autocommit(app.engine) as conn:
        rows = await webhooks.list_all(conn, business["id"])
    return caching.cached(request, {"items": [_shown(row) for row in rows]}, caching.PRIVATE)


@router.get(
    "/{endpoint_id}",
    operation_id="getWebhookEndpoint",
    dependencies=[needs(Permission.MANAGE_WEBHOOKS)],
    response_model=WebhookEndpointOut,
)
async def get(business: BusinessDep, endpoint_id: UUID, request: Request, app: AppStateDep) -> Response:
    """One endpoint, without its secret."""
    async with autocommit(app.engine) as conn:
        row = there(await webhooks.find(conn, business["id"], endpoint_id))
    return caching.cached(request, _shown(row), caching.PRIVATE)


@router.patch(
    "/{endpoint_id}",
    operation_id="changeWebhookEndpoint",
    dependencies=[needs(Permission.MANAGE_WEBHOOKS)],
    response_model=WebhookEndpointOut,
)
async def change(
    business: BusinessDep,
    endpoint_id: UUID,
    body: WebhookEndpointChange,
    app: AppStateDep,
    expected: RequiredIfMatchDep,
    write: WriterDep,
) -> Response:
    """Change what is sent, or enable it again. What is still to be delivered to one that is disabled fails.

    It can be delivered again with `replay`, once the endpoint is enabled.
    """
    changes = body.model_dump(exclude_unset=True)
    if "url" in changes:
        changes["url"] = _checked_url(app, body.url)
    async with write.begin() as conn:
        await webhooks.lock_business(conn, business["id"])
        stored = there(await webhooks.find(conn, business["id"], endpoint_id))
        expected.check(_shown(stored))
        others = [row for row in await webhooks.list_all(conn, business["id"]) if row["id"] != endpoint_id]
        _require_free(others, changes.get("url"))
        row = await webhooks.update(conn, business["id"], _after(stored, changes))
    return changed(_shown(row))


@router.delete(
    "/{endpoint_id}",
    operation_id="deleteWebhookEndpoint",
    dependencies=[needs(Permission.MANAGE_WEBHOOKS)],
    status_code=204,
)
async def delete(business: BusinessDep, endpoint_id: UUID, write: WriterDep) -> None:
    """Tell it of nothing any more, and forget it and its secret."""
    async with write.begin() as conn:
        if not await webhooks.delete(conn, business["id"], endpoint_id):
            raise _missing()


@router.post(
    "/{endpoint_id}/rotate-secret",
    operation_id="rotateWebhookSecret",
    dependencies=[needs(Permission.MANAGE_WEBHOOKS)],
    response_model=WebhookEndpointMade,
)
async def rotate_secret(
    business: BusinessDep,
    endpoint_id: UUID,
    app: AppStateDep,
    write: WriterDep,
    body: SecretRotation | None = None,
) -> Response:
    """Sign with a new secret, which is in this answer and nowhere else, and for a while with the former one too.

    When the answer is lost, ask again: every secret signs until its own time is over, the newest five of them.
    """
    secret, hours = new_secret(), (body or SecretRotation()).former_valid_hours
    async with write.begin() as conn:
        await webhooks.lock_business(conn, business["id"])
        stored = there(await webhooks.open_one(conn, business["id"], endpoint_id))
        after = rotated(_keys(app), stored, secret, app.now(), hours)
        row = await webhooks.rotate(conn, business["id"], endpoint_id, *after)
    return Response(to_json(_made(row, secret)), 200, {"Cache-Control": "no-store"}, "application/json")


def there(row: Row | None) -> Row:
    """The endpoint.

    Raises:
        NotFoundError: there is none.
    """
    if row is None:
        raise _missing()
    return row


def _missing() -> NotFoundError:
    return NotFoundError("There is no such webhook endpoint.")


def _checked_url(app: AppState, url: str) -> str:
    try:
        return check_url(url, allow_loopback=app.settings.outbound_allow_loopback)
    except OutboundRefusedError as error:
        raise invalid("url", str(error)) from error


def _require_room(there_are: Any, url: str) -> None:
    _require_free(there_are, url)
    if len(there_are) >= MOST_ENDPOINTS:
        raise TooManyWebhookEndpointsError


def _require_free(others: Any, url: str | None) -> None:
    taken = [row for row in others if row["url"] == url]
    if taken:
        raise AlreadyExistsError("There is a webhook endpoint with this URL already.", id=str(taken[0]["id"]))


def _after(stored: Row, changes: dict[str, Any]) -> dict[str, Any]:
    names = ("id", "url", "description", "event_types", "state", "disabled_reason")
    values = {name: stored[name] for name in names} | changes
    if values["state"] == "enabled":
        values["disabled_reason"] = None
    elif stored["state"] == "enabled":
        values["disabled_reason"] = "by_hand"
    return values


def _keys(app: AppState) -> Secrets:
    return Secrets(app.settings.secrets_key)


def _shown(row: Row) -> dict[str, Any]:
    return WebhookEndpointOut(**row).model_dump(mode="json")


def _made(row: Row, secret: str) -> dict[str, Any]:
    return WebhookEndpointMade(**row, secret=secret).model_dump(mode="json")
