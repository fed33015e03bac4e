"""`/v1/hooks/{vendor}/{integration_id}`: webhooks of vendors.

The signature alone proves the caller. Each event is applied in the transaction that records its id, so that a
second delivery does nothing. Neither bodies nor headers are stored.
"""

from typing import Annotated, Any, Final
from uuid import UUID

import structlog
from fastapi import APIRouter, Query, Request, Response

from api.access import needs
from api.deps import AppState, AppStateDep
from api.hooks.hook import Event, Hook, Integration, Received
from api.hooks.registry import HOOKS
from api.middleware import allow_body
from api.request_context import context_of
from db.engine import autocommit
from db.repositories import inbound, integrations
from domain.access import Permission
from domain.errors import InvalidRequestError, NotFoundError, UnauthenticatedError
from runtime.json import from_json
from runtime.secrets import Secrets

router = APIRouter(prefix="/v1/hooks", tags=["hooks"])

_log = structlog.get_logger()

_MOST_BYTES: Final = 1024 * 1024
"""SendGrid collects up to 768 KB: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event."""
_ANY: Final[dict[str, Any]] = {"schema": {}}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "As the vendor documents it, signed by the vendor.",
        "content": {"application/json": _ANY, "application/x-www-form-urlencoded": _ANY},
    }
}


@router.post(
    "/{vendor}/{integration_id}",
    operation_id="receiveHook",
    dependencies=[needs(Permission.CALL_BACK, is_audited=False)],  # what it changes names the vendor as its source
    response_class=Response,
    openapi_extra=_BODY,
)
async def receive_hook(
    vendor: str,
    integration_id: UUID,
    request: Request,
    app: AppStateDep,
    effect: Annotated[str | None, Query(max_length=255, description="The key of the effect it is about.")] = None,
) -> Response:
    """Take a vendor's call. Its signature is checked, and an event that was taken before does nothing."""
    hook, integration = await _integration(app, vendor, integration_id)
    context_of(request).about(integration.business_id)
    allow_body(request, _MOST_BYTES)
    received = Received(
        url=_public_url(app, request),
        query={} if effect is None else {"effect": effect},
        headers=request.headers,
        body=await request.body(),
    )
    if not _is_signed(hook, received, integration):
        raise UnauthenticatedError("The call is not signed by the vendor.")
    await _apply(app, vendor, hook, integration, _events(hook, received))
    return hook.answer()


async def _integration(app: AppState, vendor: str, integration_id: UUID) -> tuple[Hook, Integration]:
    hook = HOOKS.get(vendor)
    if hook is None:
        raise NotFoundError
    async with autocommit(app.engine) as conn:
        row = await integrations.find_by_id(conn, integration_id)
    if row is None or row["vendor"] != vendor:
        raise NotFoundError
    stored = row["secrets_encrypted"]
    secrets = {} if stored is None else from_json(Secrets(app.settings.secrets_key).decrypt(stored))
    return hook, Integration(row["id"], row["business_id"], row["settings"], secrets)


def _public_url(app: AppState, request: Request) -> str:
    """The URL as the vendor called it, in front of any proxies: some vendors sign it."""
    path = request.scope["raw_path"].decode("latin-1")
    query = request.scope["query_string"].decode("latin-1")
    return f"{app.settings.public_url.rstrip('/')}{path}" + (f"?{query}" if query else "")


def _is_signed(hook: Hook, received: Received, integration: Integration) -> bool:
    try:
        return hook.verify(received, integration)
    except (TypeError, ValueError):  # not comparable, such as text that is not ASCII
        return False


def _events(hook: Hook, received: Received) -> list[Event]:
    try:
        return list(hook.events(received))
    except ValueError as error:
        raise InvalidRequestError("The call is none that the vendor documents.") from error


async def _apply(app: AppState, vendor: str, hook: Hook, integration: Integration, events: list[Event]) -> None:
    received = [inbound.InboundEvent(event.id, event.type) for event in events]
    async with app.engine.begin() as conn:
        new = await inbound.note(conn, integration.business_id, integration.id, received)
        for event in events:
            if event.id in new:
                new.remove(event.id)  # a call may contain it twice
                await hook.apply(conn, integration, event)
    _log.info("hook_taken", vendor=vendor, integration_id=str(integration.id), events=len(events))
