"""Deliveries of events to a business's webhook endpoints. An endpoint that keeps failing is disabled.

Signatures and retries follow https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks.webhooks import Webhook as Signer
from temporalio import activity

from activities.effects import Done, EffectRunner
from activities.ports import WebhookRequest, WebhookSender
from activities.vendor_calls import Call
from db.engine import autocommit
from db.repositories import events, webhooks
from db.repositories.effect_attempts import Claimed
from db.repositories.rows import Row
from domain.effect_retries import is_exhausted
from domain.effects import EffectKind, EffectRef, ObsoleteError, Vendor, VendorError
from domain.events import cloud_event, trial_event
from domain.webhooks import signing_secrets
from runtime.json import to_json

_log = structlog.get_logger()

CONTENT_TYPE: Final = "application/cloudevents+json"


class WebhookActivities:
    def __init__(self, engine: AsyncEngine, runner: EffectRunner, sender: WebhookSender) -> None:
        self._engine = engine
        self._runner = runner
        self._sender = sender

    @activity.defn(name=EffectKind.DELIVER_WEBHOOK)
    async def deliver_webhook(self, ref: EffectRef) -> str:
        """One attempt at a delivery."""
        return await self._runner.run(ref, self._deliver)

    async def _deliver(self, claimed: Claimed, call: Call) -> Done:
        """Deliver the event, even if an earlier attempt did: the receiver recognises duplicates by the id."""
        endpoint = await self._endpoint(claimed)
        event = await self._event(claimed)
        try:
            await self._sender.deliver(call, self._signed(endpoint, event))
        except VendorError as error:
            await self._disable_if_failing(claimed, error)
            raise
        return Done()

    async def _endpoint(self, claimed: Claimed) -> Row:
        if claimed.target_id is None:
            raise ObsoleteError("endpoint_deleted")
        async with autocommit(self._engine) as conn:
            found = await webhooks.open_one(conn, claimed.business_id, claimed.target_id)
        if found is None:
            raise ObsoleteError("endpoint_deleted")
        if found["state"] != "enabled" and not _is_trial(claimed):
            raise VendorError("endpoint_disabled", permanent=True)
        return found

    async def _event(self, claimed: Claimed) -> dict[str, Any]:
        event_id = claimed.subject["event_id"]
        if _is_trial(claimed):
            assert claimed.target_id is not None
            return trial_event(event_id, claimed.business_id, claimed.target_id, claimed.created_at)
        async with autocommit(self._engine) as conn:
            found = await events.find(conn, claimed.business_id, UUID(event_id))
        if found is None:
            raise ObsoleteError("event_gone")
        return cloud_event(found)

    def _signed(self, endpoint: Row, event: dict[str, Any]) -> WebhookRequest:
        now = datetime.now(UTC)  # the library assumes UTC
        body = to_json(event)
        secrets = signing_secrets(
            self._runner.decrypt(endpoint["secret_encrypted"]),
            self._runner.decrypt(endpoint["former_secret_encrypted"]),
            now,
        )
        headers = {
            "content-type": CONTENT_TYPE,
            "webhook-id": event["id"],
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(Signer(s).sign(event["id"], now, body.decode()) for s in secrets),
        }
        return WebhookRequest(endpoint["url"], headers, body)

    async def _disable_if_failing(self, claimed: Claimed, error: VendorError) -> None:
        """Disable an endpoint that answers 410 Gone, or that accepted nothing while this delivery was tried."""
        reason = await self._reason_to_disable(claimed, error)
        if reason is None or claimed.target_id is None:
            return
        async with self._engine.begin() as conn:
            if await webhooks.disable(conn, claimed.business_id, claimed.target_id, reason):
                _log.warning("webhook_endpoint_disabled", endpoint_id=str(claimed.target_id), reason=reason)

    async def _reason_to_disable(self, claimed: Claimed, error: VendorError) -> str | None:
        if error.code == "gone":
            return "gone"
        is_last = is_exhausted(Vendor.WEBHOOK, claimed.tries)
        if not is_last or claimed.target_id is None or _is_trial(claimed):
            return None
        async with autocommit(self._engine) as conn:
            accepted = await webhooks.has_accepted_since(
                conn, claimed.business_id, claimed.target_id, claimed.first_attempt_at
            )
        return None if accepted else "failing"


def _is_trial(claimed: Claimed) -> bool:
    return bool(claimed.subject.get("trial"))
