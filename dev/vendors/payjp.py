"""Simulated PAY.JP v2: customers, payment methods, payment flows with manual capture, refunds and events.

https://docs.pay.jp/v2/api
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from fastapi import Request

from dev.vendors.gateways import Refusal
from dev.vendors.ledger import Json, Ledger
from dev.vendors.payments import Payment, PaymentGateway, page, random_id
from domain.effects import Vendor
from domain.payments import limits

_KEY: Final = re.compile(r"sk_(test|live)_[A-Za-z0-9_]+")
_IDEMPOTENCY_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_METHOD: Final = re.compile(r"pm_(good|declined|challenged)(_[a-z0-9]+)?")
"""The id of a method decides whether it pays, is declined or requires the customer to authenticate."""
_ADDRESS: Final = ("city", "country", "line1", "line2", "state", "zip")
_LEAST, _MOST = limits(Vendor.PAYJP, "JPY")
_PROBLEM: Final = "application/problem+json"


@dataclass(slots=True)
class _Customers:
    """The customers of one account."""

    by_id: dict[str, Json] = field(default_factory=dict)
    of_method: dict[str, str] = field(default_factory=dict)
    """The customer of each attached payment method."""


class _Refusal(Refusal):
    def __init__(self, status: int, code: str) -> None:
        body = {
            "status": status,
            "code": code,
            "title": code.replace("_", " ").title(),
            "detail": f"Refused: {code}.",
            "type": f"https://docs.pay.jp/v2/errors/{code.replace('_', '-')}",
        }
        super().__init__(status, body, _PROBLEM)


class Payjp(PaymentGateway):
    """An account is a secret key; every key with PAY.JP's format is valid.

    POST /control/payment_flows/{id}/authenticate?account=…   let the customer authenticate
    """

    name = "payjp"
    kind = "flow"
    event_prefix = "payment_flow"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._customers: dict[str, _Customers] = {}
        for path, handle in (
            ("/v2/customers", self._create_customer),
            ("/v2/payment_methods/{id}/attach", self._attach),
            ("/v2/payment_flows", self._create),
            ("/v2/payment_flows/{id}/capture", self._capture),
            ("/v2/payment_flows/{id}/cancel", self._cancel),
            ("/v2/payment_refunds", self._refund),
        ):
            self.api.post(path)(self.idempotent(handle))
        self.api.get("/v2/customers/{id}")(self._get_customer)
        self.api.get("/v2/payment_methods/{id}")(self._get_method)
        self.api.get("/v2/payment_flows")(self._list)
        self.api.get("/v2/payment_flows/{id}")(self._get)
        self.api.get("/v2/payment_flows/{id}/refunds")(self._list_refunds)
        self.api.post("/control/payment_flows/{id}/authenticate", status_code=204)(self.authenticate)

    # --- requests -------------------------------------------------------------------------------------------

    def authorized_account(self, request: Request) -> str:
        account = self.account_of(request.scope)
        if not _KEY.fullmatch(account):
            raise _Refusal(401, "unauthorized")
        return account

    def check_key(self, key: str | None) -> None:
        if key and not _IDEMPOTENCY_KEY.fullmatch(key):
            raise _Refusal(400, "invalid_idempotency_key")

    def parse(self, body: str) -> Json:
        content: Json = json.loads(body or "{}")
        return content

    def key_conflict(self) -> Refusal:
        """https://docs.pay.jp/v2/guide/developers/idempotency."""
        return _Refusal(409, "idempotency_conflict")

    def _customers_of(self, account: str) -> _Customers:
        return self._customers.setdefault(account, _Customers())

    def _now(self, account: str) -> str:
        return self.account(account).now().isoformat()

    # --- customers and methods ------------------------------------------------------------------------------

    async def _create_customer(self, request: Request, account: str, body: Json) -> Json:
        customer = body.get("id") or random_id("cus")
        if customer in self._customers_of(account).by_id:
            raise _Refusal(400, "already_exists")
        shown = {
            "object": "customer",
            "id": customer,
            "livemode": False,
            "email": None,
            "description": None,
            "default_payment_method_id": None,
            "metadata": body.get("metadata", {}),
        } | _timestamps(self._now(account))
        self._customers_of(account).by_id[customer] = shown
        self.record(request, "customer.create", key=shown["metadata"].get("holdfast_booking"))
        return shown

    async def _get_customer(self, request: Request, id: str) -> Json:
        found = self._customers_of(self.authorized_account(request)).by_id.get(id)
        if found is None:
            raise self.not_found()
        return found

    async def _attach(self, request: Request, account: str, body: Json) -> Json:
        method, customers = request.path_params["id"], self._customers_of(account)
        if not _METHOD.fullmatch(method) or body["customer_id"] not in customers.by_id:
            raise self.not_found()
        if customers.of_method.setdefault(method, body["customer_id"]) != body["customer_id"]:
            raise self.wrong_status()
        return self._show_method(account, method)

    async def _get_method(self, request: Request, id: str) -> Json:
        if not _METHOD.fullmatch(id):
            raise self.not_found()
        return self._show_method(self.authorized_account(request), id)

    def _show_method(self, account: str, method: str) -> Json:
        return {
            "object": "payment_method",
            "id": method,
            "livemode": False,
            "type": "card",
            "customer_id": self._customers_of(account).of_method.get(method),
            "detached_at": None,
            "metadata": {},
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
        } | _timestamps(self._now(account))

    # --- changes of payment flows ---------------------------------------------------------------------------

    async def _create(self, request: Request, account: str, body: Json) -> Json:
        method, customer, amount = body.get("payment_method_id"), body.get("customer_id"), body.get("amount", 0)
        if not _LEAST <= amount <= _MOST or body.get("currency") != "jpy":
            raise _Refusal(422, "validation_error")
        if customer is None or self._customers_of(account).of_method.get(method or "") != customer:
            raise _Refusal(400, "invalid_payment_method")
        if body.get("capture_method") != "manual" or not body.get("confirm"):
            raise _Refusal(422, "validation_error")
        flow = Payment(
            id=random_id("pfw"),
            account=account,
            amount=amount,
            currency="jpy",
            customer=customer,
            method=str(method),
            metadata=body.get("metadata", {}),
            created=self.account(account).now(),
        )
        failure = "card_declined" if flow.method.startswith("pm_declined") else None
        self.confirm(request, flow, failure=failure, needs_action=flow.method.startswith("pm_challenged"))
        return self.show(flow)

    async def _capture(self, request: Request, account: str, body: Json) -> Json:
        flow = self.find(account, request.path_params["id"])
        self.require_status(flow, "requires_capture")
        amount = body.get("amount_to_capture") or flow.amount
        if not _LEAST <= amount <= flow.amount:
            raise _Refusal(422, "validation_error")
        self.capture(flow, amount)
        return self.show(flow)

    async def _cancel(self, request: Request, account: str, _body: Json) -> Json:
        flow = self.find(account, request.path_params["id"])
        self.cancel(flow)
        return self.show(flow)

    async def _refund(self, _request: Request, account: str, body: Json) -> Json:
        flow = self.find(account, body["payment_flow_id"])
        left = flow.received - flow.refunded
        amount = body.get("amount") or left
        if left == 0:
            raise self.wrong_status()
        if not 0 < amount <= left:
            raise _Refusal(422, "validation_error")
        refund = {
            "object": "payment_refund",
            "id": random_id("re"),
            "livemode": False,
            "payment_flow_id": flow.id,
            "amount": amount,
            "status": "succeeded",
            "reason": None,
            "metadata": body.get("metadata") or {},
        } | _timestamps(self._now(account))
        self.refund(flow, amount, refund)
        self.send_event(account, self.event(flow, "refund.created", refund))
        return refund

    # --- reads ----------------------------------------------------------------------------------------------

    async def _get(self, request: Request, id: str) -> Json:
        return self.show(self.find(self.authorized_account(request), id))

    async def _list(self, request: Request, customer_id: str | None = None) -> Json:
        account = self.authorized_account(request)
        self.record(request, "list", key=customer_id, applied=False)
        found = [one for one in self.current_payments(account) if customer_id in (None, one.customer)]
        return page("/v2/payment_flows", map(self.show, reversed(found)))

    async def _list_refunds(self, request: Request, id: str) -> Json:
        flow = self.find(self.authorized_account(request), id)
        return page(f"/v2/payment_flows/{id}/refunds", flow.refunds)

    # --- shapes ---------------------------------------------------------------------------------------------

    def show(self, payment: Payment) -> Json:
        created = payment.created.isoformat()
        return {
            "object": "payment_flow",
            "id": payment.id,
            "livemode": False,
            "amount": payment.amount,
            "currency": "jpy",
            "amount_capturable": payment.capturable,
            "amount_received": payment.received,
            "client_secret": f"{payment.id}_secret",
            "customer_id": payment.customer,
            "description": None,
            "payment_method_id": payment.method,
            "payment_method_options": {},
            "payment_method_types": ["card"],
            "status": payment.status,
            "next_action": {"type": "use_payjp_sdk"} if payment.status == "requires_action" else None,
            "return_url": None,
            "redirect_options": {"include_client_secret": True},
            "capture_method": "manual",
            "last_payment_error": {"code": payment.failure} if payment.failure else None,
            "cancellation_reason": None,
            "canceled_at": created if payment.status == "canceled" else None,
            "expired_at": _text(payment.expired_at),
            "metadata": payment.metadata,
        } | _timestamps(created)

    def event(self, payment: Payment, name: str, data: Json) -> Json:
        return {
            "object": "event",
            "id": random_id("evnt"),
            "livemode": False,
            "type": name,
            "pending_webhooks": 1,
            "data": data,
        } | _timestamps(self._now(payment.account))

    def not_found(self) -> Refusal:
        return _Refusal(404, "not_found")

    def wrong_status(self) -> Refusal:
        return _Refusal(400, "invalid_status")

    def declined(self, payment: Payment) -> Refusal:
        return _Refusal(402, payment.failure or "card_declined")

    def sign(self, secret: str, event: Json) -> tuple[bytes, Mapping[str, str]]:
        """Each call carries the endpoint's token: https://docs.pay.jp/v2/guide/developers/event-webhook."""
        headers = {"X-Payjp-Webhook-Token": secret, "Content-Type": "application/json"}
        return json.dumps(event).encode(), headers


def _timestamps(at: str) -> Json:
    return {"created_at": at, "updated_at": at}


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
