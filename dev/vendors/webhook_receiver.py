"""A business's own system that webhooks are sent to: it checks signatures and takes each event once.

POST /hooks/{account}      takes a webhook (Standard Webhooks)
PUT  /secrets/{account}    {"secret": "whsec_…"}: what the account's webhooks are signed with
"""

from typing import Any, Final

from fastapi import HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.types import Scope

from dev.vendors.ledger import Ledger
from dev.vendors.simulated import Simulated

DELIVERED: Final = "webhook"
REFUSED: Final = "webhook.refused"
_SHOWN: Final = ("type", "source", "subject", "time", "sequence", "data")


class Secret(BaseModel):
    model_config = ConfigDict(extra="forbid")

    secret: str


class WebhookReceiver(Simulated):
    name = "webhook_receiver"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._secrets: dict[str, str] = {}
        self._taken: set[tuple[str, str]] = set()
        self.api.put("/secrets/{account}", status_code=204)(self.set_secret)
        self.api.post("/hooks/{account}", status_code=204)(self._take)

    def account_of(self, scope: Scope) -> str:
        """The last part of the path: whoever knows it may call, and is checked by the signature."""
        return str(scope["path"]).rpartition("/")[-1]

    async def set_secret(self, account: str, secret: Secret) -> None:
        """What the account's webhooks are signed with from now on."""
        self._secrets[account] = secret.secret

    async def _take(self, account: str, request: Request) -> Response:
        headers = dict(request.headers)
        key = headers.get("webhook-id", "")
        try:
            event = Webhook(self._secrets[account]).verify(await request.body(), headers)
        except (KeyError, ValueError, WebhookVerificationError):
            self.note(request, REFUSED, key=key, applied=False)
            raise HTTPException(401, "The signature does not fit.") from None
        is_new = (account, key) not in self._taken
        self._taken.add((account, key))
        self.note(request, DELIVERED, key=key, applied=is_new, detail=_shown(event, headers))
        return Response(status_code=204)


def _shown(event: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    signatures = len(headers["webhook-signature"].split())
    return {"signatures": signatures} | {name: event[name] for name in _SHOWN if name in event}
