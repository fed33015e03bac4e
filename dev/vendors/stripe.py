"""Simulated Stripe: customers, PaymentIntents with manual capture, refunds and events.

https://docs.stripe.com/api
"""

import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import Request

from dev.vendors.gateways import Refusal
from dev.vendors.ledger import Json, Ledger
from dev.vendors.payments import Payment, PaymentGateway, page, random_id
from domain.effects import Vendor
from domain.payments import limits

_KEY: Final = re.compile(r"(sk|rk)_(test|live)_[A-Za-z0-9_]+")
_SEARCH_DELAY_SECONDS: Final = 60
"""https://docs.stripe.com/search#data-freshness"""
_QUERY: Final = re.compile(r"metadata\['(\w+)'\]:'([^']*)'")

DECLINES: Final = {
    "pm_card_chargeDeclined": "generic_decline",
    "pm_card_visa_chargeDeclined": "generic_decline",
    "pm_card_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_chargeDeclinedExpiredCard": "expired_card",
}
"""https://docs.stripe.com/testing#declined-payments"""
_GOOD: Final = frozenset({"pm_card_visa", "pm_card_mastercard", "pm_card_visa_debit"})
_NEEDS_ACTION: Final = "pm_card_authenticationRequired"
_OFF_SESSION: Final = "authentication_required"


@dataclass(slots=True)
class _Customers:
    """The customers of one account."""

    ids: set[str] = field(default_factory=set)
    saved: set[tuple[str, str]] = field(default_factory=set)
    """Customers and their methods that may be charged off session."""


class _Refusal(Refusal):
    def __init__(self, status: int, kind: str, code: str | None = None, **more: Any) -> None:
        super().__init__(
            status, {"error": {"type": kind, "code": code, "message": f"Refused: {code or kind}.", **more}}
        )


class Stripe(PaymentGateway):
    """An account is a secret key; every key with Stripe's format is valid.

    POST /control/payment_intents/{id}/authenticate?account=…   let the customer authenticate
    """

    name = "stripe"
    kind = "intent"
    event_prefix = "payment_intent"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._customers: dict[str, _Customers] = {}
        self._refunds: dict[str, list[Json]] = {}
        """By account."""
        for path, handle in (
            ("/v1/customers", self._create_customer),
            ("/v1/payment_intents", self._create),
            ("/v1/payment_intents/{id}/capture", self._capture),
            ("/v1/payment_intents/{id}/cancel", self._cancel),
            ("/v1/refunds", self._refund),
        ):
            self.api.post(path)(self.idempotent(handle))
        self.api.get("/v1/payment_intents")(self._list)
        self.api.get("/v1/payment_intents/search")(self._search)
        self.api.get("/v1/payment_intents/{id}")(self._retrieve)
        self.api.get("/v1/refunds")(self._list_refunds)
        self.api.post("/control/payment_intents/{id}/authenticate", status_code=204)(self.authenticate)

    # --- requests -------------------------------------------------------------------------------------------

    def authorized_account(self, request: Request) -> str:
        account = self.account_of(request.scope)
        if not _KEY.fullmatch(account):
            raise _Refusal(401, "invalid_request_error")
        return account

    def parse(self, body: str) -> Json:
        return _parse_form(body)

    def key_conflict(self) -> Refusal:
        """https://docs.stripe.com/api/idempotent_requests."""
        return _Refusal(400, "idempotency_error")

    def customers(self, account: str) -> _Customers:
        """The customers of one account."""
        return self._customers.setdefault(account, _Customers())

    # --- changes --------------------------------------------------------------------------------------------

    async def _create_customer(self, request: Request, account: str, form: Json) -> Json:
        customer = random_id("cus")
        self.customers(account).ids.add(customer)
        self.record(request, "customer.create", key=form.get("metadata", {}).get("holdfast_booking"))
        return {"id": customer, "object": "customer", "metadata": form.get("metadata", {})}

    async def _create(self, request: Request, account: str, form: Json) -> Json:
        self._check(account, form)
        method, off_session = form["payment_method"], form.get("off_session") == "true"
        if form.get("setup_future_usage") == "off_session":
            self.customers(account).saved.add((form["customer"], method))
        intent = Payment(
            id=random_id("pi"),
            account=account,
            amount=int(form["amount"]),
            currency=form["currency"],
            customer=form["customer"],
            method=method,
            metadata=form.get("metadata", {}),
            created=self.account(account).now(),
        )
        failure = _OFF_SESSION if method == _NEEDS_ACTION and off_session else DECLINES.get(method)
        self.confirm(request, intent, failure=failure, needs_action=method == _NEEDS_ACTION)
        return self.show(intent)

    def _check(self, account: str, form: Json) -> None:
        method, customers = form.get("payment_method", ""), self.customers(account)
        if method not in DECLINES and method not in _GOOD | {_NEEDS_ACTION}:
            raise _Refusal(400, "invalid_request_error", "resource_missing", param="payment_method")
        if form.get("customer") not in customers.ids:
            raise _Refusal(400, "invalid_request_error", "resource_missing", param="customer")
        if form.get("capture_method") != "manual" or form.get("confirm") != "true":
            raise _Refusal(400, "invalid_request_error", "parameter_missing", param="confirm")
        _require_amount(int(form["amount"]), form["currency"].upper(), "amount")
        if form.get("off_session") == "true" and (form["customer"], method) not in customers.saved:
            raise _Refusal(400, "invalid_request_error", param="payment_method")

    async def _capture(self, request: Request, account: str, form: Json) -> Json:
        intent = self.find(account, request.path_params["id"])
        self.require_status(intent, "requires_capture")
        amount = int(form.get("amount_to_capture", intent.amount))
        if not 0 < amount <= intent.amount:
            raise _Refusal(400, "invalid_request_error", "amount_too_large", param="amount_to_capture")
        _require_amount(amount, intent.currency.upper(), "amount_to_capture")
        self.capture(intent, amount)
        return self.show(intent)

    async def _cancel(self, request: Request, account: str, _form: Json) -> Json:
        intent = self.find(account, request.path_params["id"])
        self.cancel(intent)
        return self.show(intent)

    async def _refund(self, _request: Request, account: str, form: Json) -> Json:
        intent = self.find(account, form.get("payment_intent", ""))
        left = intent.received - intent.refunded
        amount = int(form.get("amount", left))
        if left == 0:
            raise _Refusal(400, "invalid_request_error", "charge_already_refunded")
        if not 0 < amount <= left:
            raise _Refusal(400, "invalid_request_error", "amount_too_large", param="amount")
        refund = _refund_shown(intent, amount, form.get("metadata", {}))
        self._refunds.setdefault(account, []).append(refund)
        self.refund(intent, amount, refund)
        self.send_event(account, self.event(intent, "charge.refunded", _charge_shown(intent) or {}))
        self.send_event(account, self.event(intent, "refund.created", refund))
        return refund

    # --- reads ----------------------------------------------------------------------------------------------

    async def _retrieve(self, request: Request, id: str) -> Json:
        account = self.authorized_account(request)
        self.record(request, "retrieve", key=id, applied=False)
        return self.show(self.find(account, id))

    async def _list(self, request: Request, customer: str | None = None) -> Json:
        account = self.authorized_account(request)
        self.record(request, "list", key=customer, applied=False)
        found = [one for one in self.current_payments(account) if customer in (None, one.customer)]
        return page("/v1/payment_intents", map(self.show, reversed(found)))

    async def _search(self, request: Request, query: str) -> Json:
        account = self.authorized_account(request)
        name, value = _QUERY.findall(query)[0]
        now = self.account(account).now()
        found = [
            one
            for one in self.current_payments(account)
            if one.metadata.get(name) == value and (now - one.created).total_seconds() > _SEARCH_DELAY_SECONDS
        ]
        result = page("/v1/payment_intents/search", map(self.show, found))
        return result | {"object": "search_result", "next_page": None}

    async def _list_refunds(self, request: Request, payment_intent: str | None = None) -> Json:
        account = self.authorized_account(request)
        refunds = reversed(self._refunds.get(account, []))
        return page("/v1/refunds", (one for one in refunds if payment_intent in (None, one["payment_intent"])))

    # --- shapes ---------------------------------------------------------------------------------------------

    def show(self, payment: Payment) -> Json:
        error = None
        if payment.failure is not None:
            error = {"type": "card_error", "code": "card_declined", "decline_code": payment.failure}
        return {
            "id": payment.id,
            "object": "payment_intent",
            "amount": payment.amount,
            "amount_capturable": payment.capturable,
            "amount_received": payment.received,
            "cancellation_reason": "automatic" if payment.expired_at else None,
            "capture_method": "manual",
            "client_secret": f"{payment.id}_secret_{hashlib.sha256(payment.id.encode()).hexdigest()[:16]}",
            "currency": payment.currency,
            "customer": payment.customer,
            "last_payment_error": error,
            "latest_charge": _charge_shown(payment),
            "metadata": payment.metadata,
            "next_action": {"type": "use_stripe_sdk"} if payment.status == "requires_action" else None,
            "payment_method": payment.method,
            "status": payment.status,
        }

    def event(self, payment: Payment, name: str, data: Json) -> Json:
        created = int(self.account(payment.account).now().timestamp())
        return {
            "id": random_id("evt"),
            "object": "event",
            "type": name,
            "created": created,
            "data": {"object": data},
        }

    def not_found(self) -> Refusal:
        return _Refusal(404, "invalid_request_error", "resource_missing", param="intent")

    def wrong_status(self) -> Refusal:
        return _Refusal(400, "invalid_request_error", "payment_intent_unexpected_state")

    def declined(self, payment: Payment) -> Refusal:
        intent = self.show(payment)
        more = {"decline_code": payment.failure, "param": "", "payment_intent": intent}
        return _Refusal(402, "card_error", "card_declined", **more)

    def sign(self, secret: str, event: Json) -> tuple[bytes, Mapping[str, str]]:
        """https://docs.stripe.com/webhooks#verify-manually."""
        body, at = json.dumps(event).encode(), int(time.time())
        signature = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        return body, {"Stripe-Signature": f"t={at},v1={signature}", "Content-Type": "application/json"}


def _require_amount(amount: int, currency: str, param: str) -> None:
    least, most = limits(Vendor.STRIPE, currency)
    if amount < least:
        raise _Refusal(400, "invalid_request_error", "amount_too_small", param=param)
    if amount > most:
        raise _Refusal(400, "invalid_request_error", "amount_too_large", param=param)


def _charge_shown(intent: Payment) -> Json | None:
    if intent.authorized_at is None:
        return None
    return {
        "id": intent.id.replace("pi_", "ch_"),
        "object": "charge",
        "amount": intent.amount,
        "amount_captured": intent.received,
        "amount_refunded": intent.refunded,
        "payment_intent": intent.id,
        "metadata": intent.metadata,
    }


def _refund_shown(intent: Payment, amount: int, metadata: Json) -> Json:
    return {
        "id": random_id("re"),
        "object": "refund",
        "amount": amount,
        "payment_intent": intent.id,
        "metadata": metadata,
        "status": "succeeded",
    }


def _parse_form(body: str) -> Json:
    """A form; `metadata[name]` becomes a member of `metadata`."""
    form: Json = {}
    for name, value in parse_qsl(body, keep_blank_values=True):
        outer, _, inner = name.partition("[")
        if inner and not inner.rstrip("]").isdigit():
            form.setdefault(outer, {})[inner.rstrip("]")] = value
        else:
            form[outer] = value
    return form
