"""A business's system that receives webhooks: it verifies signatures and applies each event once.

POST /hooks/{account}      receives a webhook (Standard Webhooks)
PUT  /secrets/{account}    {"secret": "whsec_…"}: sets the secret of the account's signatures
"""

from typing import Any, Final

from fastapi import HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.types import Scope

from dev.vendors.base import SimulatedVendor
from dev.vendors.ledger import Ledger

DELIVERED: Final = "webhook"
REFUSED: Final = "webhook.refused"
_SHOWN: Final = ("type", "source", "subject", "time", "sequence", "data")


class Secret(BaseModel):
    model_config = ConfigDict(extra="forbid")

    secret: str


class WebhookReceiver(SimulatedVendor):
    name = "webhook_receiver"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._secrets: dict[str, str] = {}
        self._received: set[tuple[str, str]] = set()
        self.api.put("/secrets/{account}", status_code=204)(self.set_secret)
        self.api.post("/hooks/{account}", status_code=204)(self._receive)

    def account_of(self, scope: Scope) -> str:
        """The last part of the path; the signature authenticates the caller."""
        return str(scope["path"]).rpartition("/")[-1]

    async def set_secret(self, account: str, secret: Secret) -> None:
        """Set the secret of the account's signatures."""
        self._secrets[account] = secret.secret

    async def _receive(self, account: str, request: Request) -> Response:
        headers = dict(request.headers)
        key = headers.get("webhook-id", "")
        try:
            event = Webhook(self._secrets[account]).verify(await request.body(), headers)
        except (KeyError, ValueError, WebhookVerificationError):
            self.record(request, REFUSED, key=key, applied=False)
            raise HTTPException(401, "Invalid signature.") from None
        is_new = (account, key) not in self._received
        self._received.add((account, key))
        self.record(request, DELIVERED, key=key, applied=is_new, detail=_shown(event, headers))
        return Response(status_code=204)


def _shown(event: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    signatures = len(headers["webhook-signature"].split())
    return {"signatures": signatures} | {name: event[name] for name in _SHOWN if name in event}
