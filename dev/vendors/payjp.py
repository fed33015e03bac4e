"""PAY.JP v2, simulated: customers, payment methods, payment flows that are captured by hand, refunds, events.

https://docs.pay.jp/v2/api
"""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from fastapi import Request

from dev.vendors.gateways import PROMISES_LAST, Refused, SimulatedGateway
from dev.vendors.ledger import Json, Ledger
from domain.effects import Vendor
from domain.payments import limits

_KEY: Final = re.compile(r"sk_(test|live)_[A-Za-z0-9_]+")
_IDEMPOTENCY_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_METHOD: Final = re.compile(r"pm_(good|declined|challenged)(_[a-z0-9]+)?")
"""What a method does is in its id: it pays, it is declined, it asks the customer."""
_ADDRESS: Final = ("city", "country", "line1", "line2", "state", "zip")
_LEAST, _MOST = limits(Vendor.PAYJP, "JPY")
_PROBLEM: Final = "application/problem+json"


@dataclass(slots=True)
class _Flow:
    id: str
    account: str
    amount: int
    customer: str
    method: str
    metadata: Json
    created: datetime
    status: str = "requires_confirmation"
    received: int = 0
    failure: str | None = None
    promised_at: datetime | None = None
    expired_at: datetime | None = None
    refunds: list[Json] = field(default_factory=list)

    @property
    def refunded(self) -> int:
        return sum(refund["amount"] for refund in self.refunds)


@dataclass(slots=True)
class _Account:
    customers: dict[str, Json] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    """The customer of each payment method that is attached."""
    flows: dict[str, _Flow] = field(default_factory=dict)


class _Refused(Refused):
    def __init__(self, status: int, code: str) -> None:
        body = {
            "status": status,
            "code": code,
            "title": code.replace("_", " ").title(),
            "detail": f"Refused: {code}.",
            "type": f"https://docs.pay.jp/v2/errors/{code.replace('_', '-')}",
        }
        super().__init__(status, body, _PROBLEM)


class Payjp(SimulatedGateway):
    """The vendor. An account is a secret key; every one is good that looks like one.

    POST /control/payment_flows/{id}/authenticate?account=…   the customer has proved who they are
    """

    name = "payjp"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._accounts: dict[str, _Account] = {}
        for path, handle in (
            ("/v2/customers", self._create_customer),
            ("/v2/payment_methods/{id}/attach", self._attach),
            ("/v2/payment_flows", self._create),
            ("/v2/payment_flows/{id}/capture", self._capture),
            ("/v2/payment_flows/{id}/cancel", self._cancel),
            ("/v2/payment_refunds", self._refund),
        ):
            self.api.post(path)(self.once(handle))
        self.api.get("/v2/customers/{id}")(self._get_customer)
        self.api.get("/v2/payment_methods/{id}")(self._get_method)
        self.api.get("/v2/payment_flows")(self._list)
        self.api.get("/v2/payment_flows/{id}")(self._get)
        self.api.get("/v2/payment_flows/{id}/refunds")(self._list_refunds)
        self.api.post("/control/payment_flows/{id}/authenticate", status_code=204)(self.authenticate)

    # --- asking ---------------------------------------------------------------------------------------------

    def admitted(self, request: Request) -> str:
        account = self.account_of(request.scope)
        if not _KEY.fullmatch(account):
            raise _Refused(401, "unauthorized")
        return account

    def check_key(self, key: str | None) -> None:
        if key and not _IDEMPOTENCY_KEY.fullmatch(key):
            raise _Refused(400, "invalid_idempotency_key")

    def parsed(self, body: str) -> Json:
        said: Json = json.loads(body or "{}")
        return said

    def conflict(self) -> Refused:
        """https://docs.pay.jp/v2/guide/developers/idempotency."""
        return _Refused(409, "idempotency_conflict")

    def _account(self, account: str) -> _Account:
        return self._accounts.setdefault(account, _Account())

    # --- customers and methods ------------------------------------------------------------------------------

    async def _create_customer(self, request: Request, account: str, body: Json) -> Json:
        customer = body.get("id") or f"cus_{secrets.token_hex(12)}"
        if customer in self._account(account).customers:
            raise _Refused(400, "already_exists")
        now = _text(self.books(account).now())
        shown = {
            "object": "customer",
            "id": customer,
            "livemode": False,
            "email": None,
            "description": None,
            "default_payment_method_id": None,
            "metadata": body.get("metadata", {}),
            "created_at": now,
            "updated_at": now,
        }
        self._account(account).customers[customer] = shown
        self.note(request, "customer.create", key=shown["metadata"].get("holdfast_booking"))
        return shown

    async def _get_customer(self, request: Request, id: str) -> Json:
        found = self._account(self.admitted(request)).customers.get(id)
        if found is None:
            raise _Refused(404, "not_found")
        return found

    async def _attach(self, request: Request, account: str, body: Json) -> Json:
        method, books = request.path_params["id"], self._account(account)
        if not _METHOD.fullmatch(method) or body["customer_id"] not in books.customers:
            raise _Refused(404, "not_found")
        if books.owners.setdefault(method, body["customer_id"]) != body["customer_id"]:
            raise _Refused(400, "invalid_status")
        return self._method_shown(account, method)

    async def _get_method(self, request: Request, id: str) -> Json:
        if not _METHOD.fullmatch(id):
            raise _Refused(404, "not_found")
        return self._method_shown(self.admitted(request), id)

    def _method_shown(self, account: str, method: str) -> Json:
        now = _text(self.books(account).now())
        return {
            "object": "payment_method",
            "id": method,
            "livemode": False,
            "type": "card",
            "customer_id": self._account(account).owners.get(method),
            "detached_at": None,
            "metadata": {},
            "created_at": now,
            "updated_at": now,
            "billing_details": {"address": dict.fromkeys(_ADDRESS), "email": None, "name": None, "phone": None},
            "card": {
                "brand": "visa",
                "exp_month": 12,
                "exp_year": 2040,
                "last4": "4242",
                "fingerprint": "e1d8225886e3a7211127df751c86787f",
                "country": "JP",
                "funding": "credit",
            },
        }

    # --- flows ----------------------------------------------------------------------------------------------

    async def _create(self, request: Request, account: str, body: Json) -> Json:
        method, customer, amount = body.get("payment_method_id"), body.get("customer_id"), body.get("amount", 0)
        if not _LEAST <= amount <= _MOST or body.get("currency") != "jpy":
            raise _Refused(422, "validation_error")
        if self._account(account).owners.get(method or "") != customer or customer is None:
            raise _Refused(400, "invalid_payment_method")
        if body.get("capture_method") != "manual" or not body.get("confirm"):
            raise _Refused(422, "validation_error")
        flow = _Flow(
            id=f"pfw_{secrets.token_hex(12)}",
            account=account,
            amount=amount,
            customer=customer,
            method=str(method),
            metadata=body.get("metadata", {}),
            created=self.books(account).now(),
        )
        self._account(account).flows[flow.id] = flow
        self._confirm(request, flow)
        return self._shown(flow)

    def _confirm(self, request: Request, flow: _Flow) -> None:
        if flow.method.startswith("pm_declined"):
            flow.status, flow.failure = "requires_payment_method", "card_declined"
            self.note(request, "decline", key=_booking(flow), applied=False, detail={"flow": flow.id})
            self._tell(flow, "payment_flow.payment_failed")
            raise _Refused(402, "card_declined")
        if flow.method.startswith("pm_challenged"):
            flow.status = "requires_action"
            self.note(request, "challenge", key=_booking(flow), applied=False, detail={"flow": flow.id})
            self._tell(flow, "payment_flow.requires_action")
            return
        self._promise(flow)

    def _promise(self, flow: _Flow) -> None:
        flow.status, flow.promised_at = "requires_capture", self.books(flow.account).now()
        self._enter(flow, "authorize", flow.amount)
        self._tell(flow, "payment_flow.amount_capturable_updated")

    async def authenticate(self, account: str, id: str) -> None:
        """The customer has proved to their bank who they are."""
        flow = self._account(account).flows[id]
        if flow.status == "requires_action":
            self._promise(flow)

    async def _capture(self, request: Request, account: str, body: Json) -> Json:
        flow = self._flow(account, request.path_params["id"])
        _require(flow, "requires_capture")
        amount = body.get("amount_to_capture") or flow.amount
        if not _LEAST <= amount <= flow.amount:
            raise _Refused(422, "validation_error")
        flow.status, flow.received = "succeeded", amount
        self._enter(flow, "capture", amount)
        self._tell(flow, "payment_flow.succeeded")
        return self._shown(flow)

    async def _cancel(self, request: Request, account: str, _body: Json) -> Json:
        flow = self._flow(account, request.path_params["id"])
        _require(flow, "requires_capture", "requires_action", "requires_payment_method", "requires_confirmation")
        held = flow.status == "requires_capture"
        flow.status = "canceled"
        if held:
            self._enter(flow, "void", flow.amount)
        self._tell(flow, "payment_flow.canceled")
        return self._shown(flow)

    async def _refund(self, _request: Request, account: str, body: Json) -> Json:
        flow = self._flow(account, body["payment_flow_id"])
        left = flow.received - flow.refunded
        amount = body.get("amount") or left
        if left == 0:
            raise _Refused(400, "invalid_status")
        if not 0 < amount <= left:
            raise _Refused(422, "validation_error")
        now = _text(self.books(account).now())
        refund = {
            "object": "payment_refund",
            "id": f"re_{secrets.token_hex(12)}",
            "livemode": False,
            "payment_flow_id": flow.id,
            "amount": amount,
            "status": "succeeded",
            "reason": None,
            "metadata": body.get("metadata") or {},
            "created_at": now,
            "updated_at": now,
        }
        flow.refunds.append(refund)
        self._enter(flow, "refund", amount)
        self._tell(flow, "refund.created", refund)
        return refund

    # --- looking --------------------------------------------------------------------------------------------

    async def _get(self, request: Request, id: str) -> Json:
        return self._shown(self._flow(self.admitted(request), id))

    async def _list(self, request: Request, customer_id: str | None = None) -> Json:
        account = self.admitted(request)
        self.note(request, "list", key=customer_id, applied=False)
        flows = [self._aged(one) for one in self._account(account).flows.values()]
        found = [self._shown(one) for one in reversed(flows) if customer_id in (None, one.customer)]
        return _page("/v2/payment_flows", found)

    async def _list_refunds(self, request: Request, id: str) -> Json:
        flow = self._flow(self.admitted(request), id)
        return _page(f"/v2/payment_flows/{id}/refunds", flow.refunds)

    def _flow(self, account: str, flow_id: str) -> _Flow:
        found = self._account(account).flows.get(flow_id)
        if found is None:
            raise _Refused(404, "not_found")
        return self._aged(found)

    def _aged(self, flow: _Flow) -> _Flow:
        """The same, with a promise that was not taken up in time let go."""
        now = self.books(flow.account).now()
        if flow.status == "requires_capture" and flow.promised_at and now - flow.promised_at > PROMISES_LAST:
            flow.status, flow.expired_at = "canceled", now
            self._enter(flow, "lapse", flow.amount)
        return flow

    def _shown(self, flow: _Flow) -> Json:
        made = _text(flow.created)
        return {
            "object": "payment_flow",
            "id": flow.id,
            "livemode": False,
            "amount": flow.amount,
            "currency": "jpy",
            "amount_capturable": flow.amount if flow.status == "requires_capture" else 0,
            "amount_received": flow.received,
            "client_secret": f"{flow.id}_secret",
            "customer_id": flow.customer,
            "description": None,
            "payment_method_id": flow.method,
            "payment_method_options": {},
            "payment_method_types": ["card"],
            "status": flow.status,
            "next_action": {"type": "use_payjp_sdk"} if flow.status == "requires_action" else None,
            "return_url": None,
            "redirect_options": {"include_client_secret": True},
            "capture_method": "manual",
            "last_payment_error": {"code": flow.failure} if flow.failure else None,
            "cancellation_reason": None,
            "canceled_at": made if flow.status == "canceled" else None,
            "expired_at": _text(flow.expired_at) if flow.expired_at else None,
            "metadata": flow.metadata,
            "created_at": made,
            "updated_at": made,
        }

    def standing(self) -> list[Json]:
        """Every payment flow."""
        return [
            {
                "id": flow.id,
                "status": flow.status,
                "amount": flow.amount,
                "captured": flow.received,
                "refunded": flow.refunded,
                "currency": "JPY",
                "booking": _booking(flow),
            }
            for account in self._accounts.values()
            for flow in account.flows.values()
        ]

    # --- telling --------------------------------------------------------------------------------------------

    def _enter(self, flow: _Flow, action: str, amount: int) -> None:
        detail = {"flow": flow.id, "amount": amount, "currency": "jpy"}
        self.enter(flow.account, action, key=_booking(flow), detail=detail)

    def _tell(self, flow: _Flow, kind: str, data: Json | None = None) -> None:
        now = _text(self.books(flow.account).now())
        event = {
            "object": "event",
            "id": f"evnt_{secrets.token_hex(12)}",
            "livemode": False,
            "type": kind,
            "pending_webhooks": 1,
            "data": data or self._shown(flow),
            "created_at": now,
            "updated_at": now,
        }
        self.tell(flow.account, event)

    def signed(self, secret: str, event: Json) -> tuple[bytes, Mapping[str, str]]:
        """The endpoint's token goes with each call: https://docs.pay.jp/v2/guide/developers/event-webhook."""
        headers = {"X-Payjp-Webhook-Token": secret, "Content-Type": "application/json"}
        return json.dumps(event).encode(), headers


def _page(url: str, data: list[Json]) -> Json:
    return {"object": "list", "url": url, "has_more": False, "data": data}


def _require(flow: _Flow, *statuses: str) -> None:
    if flow.status not in statuses:
        raise _Refused(400, "invalid_status")


def _booking(flow: _Flow) -> str | None:
    found: Any = flow.metadata.get("holdfast_booking")
    return None if found is None else str(found)


def _text(at: datetime) -> str:
    return at.isoformat()
