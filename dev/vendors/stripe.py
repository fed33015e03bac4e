"""Stripe, simulated: customers, PaymentIntents that are captured by hand, refunds, events.

https://docs.stripe.com/api
"""

import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import Request

from dev.vendors.gateways import PROMISES_LAST, Refused, SimulatedGateway
from dev.vendors.ledger import Json, Ledger
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
class _Intent:
    id: str
    account: str
    amount: int
    currency: str
    customer: str | None
    method: str
    metadata: dict[str, str]
    created: datetime
    status: str = "requires_confirmation"
    received: int = 0
    refunded: int = 0
    failure: str | None = None
    cancellation_reason: str | None = None
    promised_at: datetime | None = None


@dataclass(slots=True)
class _Refund:
    id: str
    intent: _Intent
    amount: int
    metadata: dict[str, str]


@dataclass(slots=True)
class _Account:
    customers: set[str] = field(default_factory=set)
    saved: set[tuple[str, str]] = field(default_factory=set)
    """Customers and the methods that they may be charged by without being there."""
    intents: dict[str, _Intent] = field(default_factory=dict)
    refunds: list[_Refund] = field(default_factory=list)


def _require_amount(amount: int, currency: str, param: str) -> None:
    least, most = limits(Vendor.STRIPE, currency)
    if amount < least:
        raise _Refused(400, "invalid_request_error", "amount_too_small", param=param)
    if amount > most:
        raise _Refused(400, "invalid_request_error", "amount_too_large", param=param)


class _Refused(Refused):
    def __init__(self, status: int, kind: str, code: str | None = None, **more: Any) -> None:
        super().__init__(
            status, {"error": {"type": kind, "code": code, "message": f"Refused: {code or kind}.", **more}}
        )


class Stripe(SimulatedGateway):
    """The vendor. An account is a secret key; every one is good that looks like one.

    POST /control/payment_intents/{id}/authenticate?account=…   the customer has proved who they are
    """

    name = "stripe"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._accounts: dict[str, _Account] = {}
        for path, handle in (
            ("/v1/customers", self._create_customer),
            ("/v1/payment_intents", self._create),
            ("/v1/payment_intents/{id}/capture", self._capture),
            ("/v1/payment_intents/{id}/cancel", self._cancel),
            ("/v1/refunds", self._refund),
        ):
            self.api.post(path)(self.once(handle))
        self.api.get("/v1/payment_intents")(self._list)
        self.api.get("/v1/payment_intents/search")(self._search)
        self.api.get("/v1/payment_intents/{id}")(self._retrieve)
        self.api.get("/v1/refunds")(self._list_refunds)
        self.api.post("/control/payment_intents/{id}/authenticate", status_code=204)(self.authenticate)

    # --- asking ---------------------------------------------------------------------------------------------

    def admitted(self, request: Request) -> str:
        account = self.account_of(request.scope)
        if not _KEY.fullmatch(account):
            raise _Refused(401, "invalid_request_error")
        return account

    def parsed(self, body: str) -> Json:
        return _form(body)

    def conflict(self) -> Refused:
        """https://docs.stripe.com/api/idempotent_requests."""
        return _Refused(400, "idempotency_error")

    def _account(self, account: str) -> _Account:
        return self._accounts.setdefault(account, _Account())

    # --- customers and intents ------------------------------------------------------------------------------

    async def _create_customer(self, request: Request, account: str, form: dict[str, Any]) -> Json:
        customer = _id("cus")
        self._account(account).customers.add(customer)
        self.note(request, "customer.create", key=form.get("metadata", {}).get("holdfast_booking"))
        return {"id": customer, "object": "customer", "metadata": form.get("metadata", {})}

    async def _create(self, request: Request, account: str, form: dict[str, Any]) -> Json:
        method = form.get("payment_method", "")
        if method not in DECLINES and method not in _GOOD | {_NEEDS_ACTION}:
            raise _Refused(400, "invalid_request_error", "resource_missing", param="payment_method")
        if form.get("customer") not in self._account(account).customers:
            raise _Refused(400, "invalid_request_error", "resource_missing", param="customer")
        if form.get("capture_method") != "manual" or form.get("confirm") != "true":
            raise _Refused(400, "invalid_request_error", "parameter_missing", param="confirm")
        _require_amount(int(form["amount"]), form["currency"].upper(), "amount")
        of_customer = (form["customer"], method)
        if form.get("off_session") == "true" and of_customer not in self._account(account).saved:
            raise _Refused(400, "invalid_request_error", param="payment_method")
        if form.get("setup_future_usage") == "off_session":
            self._account(account).saved.add(of_customer)
        intent = _Intent(
            id=_id("pi"),
            account=account,
            amount=int(form["amount"]),
            currency=form["currency"],
            customer=form["customer"],
            method=method,
            metadata=form.get("metadata", {}),
            created=self.books(account).now(),
        )
        self._account(account).intents[intent.id] = intent
        self._confirm(request, intent, off_session=form.get("off_session") == "true")
        return self._shown(intent)

    def _confirm(self, request: Request, intent: _Intent, *, off_session: bool) -> None:
        decline = DECLINES.get(intent.method)
        if intent.method == _NEEDS_ACTION and off_session:
            decline = _OFF_SESSION
        if decline is not None:
            intent.status, intent.failure = "requires_payment_method", decline
            self.note(request, "decline", key=_booking(intent), applied=False, detail={"intent": intent.id})
            self._tell(intent, "payment_intent.payment_failed")
            raise _Refused(
                402,
                "card_error",
                "card_declined",
                decline_code=decline,
                param="",
                payment_intent=self._shown(intent),
            )
        if intent.method == _NEEDS_ACTION:
            intent.status = "requires_action"
            self.note(request, "challenge", key=_booking(intent), applied=False, detail={"intent": intent.id})
            self._tell(intent, "payment_intent.requires_action")
            return
        self._promise(intent)

    def _promise(self, intent: _Intent) -> None:
        intent.status, intent.promised_at = "requires_capture", self.books(intent.account).now()
        self._enter(intent, "authorize", intent.amount)
        self._tell(intent, "payment_intent.amount_capturable_updated")

    async def authenticate(self, account: str, id: str) -> None:
        """The customer has proved to their bank who they are."""
        intent = self._account(account).intents[id]
        if intent.status == "requires_action":
            self._promise(intent)

    async def _capture(self, request: Request, account: str, form: dict[str, Any]) -> Json:
        intent = self._intent(account, request.path_params["id"])
        _require(intent, "requires_capture")
        amount = int(form.get("amount_to_capture", intent.amount))
        if not 0 < amount <= intent.amount:
            raise _Refused(400, "invalid_request_error", "amount_too_large", param="amount_to_capture")
        _require_amount(amount, intent.currency.upper(), "amount_to_capture")
        intent.status, intent.received = "succeeded", amount
        self._enter(intent, "capture", amount)
        self._tell(intent, "payment_intent.succeeded")
        return self._shown(intent)

    async def _cancel(self, request: Request, account: str, _form: dict[str, Any]) -> Json:
        intent = self._intent(account, request.path_params["id"])
        _require(intent, "requires_capture", "requires_action", "requires_payment_method", "requires_confirmation")
        held = intent.status == "requires_capture"
        intent.status = "canceled"
        if held:
            self._enter(intent, "void", intent.amount)
        self._tell(intent, "payment_intent.canceled")
        return self._shown(intent)

    async def _refund(self, _request: Request, account: str, form: dict[str, Any]) -> Json:
        intent = self._intent(account, form.get("payment_intent", ""))
        left = intent.received - intent.refunded
        amount = int(form.get("amount", left))
        if left == 0:
            raise _Refused(400, "invalid_request_error", "charge_already_refunded")
        if not 0 < amount <= left:
            raise _Refused(400, "invalid_request_error", "amount_too_large", param="amount")
        intent.refunded += amount
        refund = _Refund(_id("re"), intent, amount, form.get("metadata", {}))
        self._account(account).refunds.append(refund)
        self._enter(intent, "refund", amount)
        self._tell(intent, "charge.refunded")
        self._tell(intent, "refund.created", _refund_shown(refund))
        return _refund_shown(refund)

    # --- looking --------------------------------------------------------------------------------------------

    async def _retrieve(self, request: Request, id: str) -> Json:
        account = self.admitted(request)
        self.note(request, "retrieve", key=id, applied=False)
        return self._shown(self._intent(account, id))

    async def _list(self, request: Request, customer: str | None = None) -> Json:
        account = self.admitted(request)
        self.note(request, "list", key=customer, applied=False)
        found = [one for one in self._all(account) if customer in (None, one.customer)]
        return _page("/v1/payment_intents", [self._shown(one) for one in reversed(found)])

    async def _search(self, request: Request, query: str) -> Json:
        account = self.admitted(request)
        name, value = _QUERY.findall(query)[0]
        now = self.books(account).now()
        found = [
            one
            for one in self._all(account)
            if one.metadata.get(name) == value and (now - one.created).total_seconds() > _SEARCH_DELAY_SECONDS
        ]
        page = _page("/v1/payment_intents/search", [self._shown(one) for one in found])
        return page | {"object": "search_result", "next_page": None}

    async def _list_refunds(self, request: Request, payment_intent: str | None = None) -> Json:
        account = self.admitted(request)
        found = [one for one in self._account(account).refunds if payment_intent in (None, one.intent.id)]
        return _page("/v1/refunds", [_refund_shown(one) for one in reversed(found)])

    def _all(self, account: str) -> list[_Intent]:
        return [self._aged(one) for one in self._account(account).intents.values()]

    def _intent(self, account: str, intent_id: str) -> _Intent:
        found = self._account(account).intents.get(intent_id)
        if found is None:
            raise _Refused(404, "invalid_request_error", "resource_missing", param="intent")
        return self._aged(found)

    def _aged(self, intent: _Intent) -> _Intent:
        """The same, with a promise that was not taken up in time let go."""
        now, promised = self.books(intent.account).now(), intent.promised_at
        if intent.status == "requires_capture" and promised is not None and now - promised > PROMISES_LAST:
            intent.status, intent.cancellation_reason = "canceled", "automatic"
            self._enter(intent, "lapse", intent.amount)
        return intent

    def _shown(self, intent: _Intent) -> Json:
        error = None
        if intent.failure is not None:
            error = {"type": "card_error", "code": "card_declined", "decline_code": intent.failure}
        return {
            "id": intent.id,
            "object": "payment_intent",
            "amount": intent.amount,
            "amount_capturable": intent.amount if intent.status == "requires_capture" else 0,
            "amount_received": intent.received,
            "cancellation_reason": intent.cancellation_reason,
            "capture_method": "manual",
            "client_secret": f"{intent.id}_secret_{hashlib.sha256(intent.id.encode()).hexdigest()[:16]}",
            "currency": intent.currency,
            "customer": intent.customer,
            "last_payment_error": error,
            "latest_charge": _charge_shown(intent),
            "metadata": intent.metadata,
            "next_action": {"type": "use_stripe_sdk"} if intent.status == "requires_action" else None,
            "payment_method": intent.method,
            "status": intent.status,
        }

    def standing(self) -> list[Json]:
        """Every PaymentIntent."""
        return [
            {
                "id": intent.id,
                "status": intent.status,
                "amount": intent.amount,
                "captured": intent.received,
                "refunded": intent.refunded,
                "currency": intent.currency.upper(),
                "booking": _booking(intent),
            }
            for account in self._accounts.values()
            for intent in account.intents.values()
        ]

    # --- telling --------------------------------------------------------------------------------------------

    def _enter(self, intent: _Intent, action: str, amount: int) -> None:
        detail = {"intent": intent.id, "amount": amount, "currency": intent.currency}
        self.enter(intent.account, action, key=_booking(intent), detail=detail)

    def _tell(self, intent: _Intent, kind: str, about: Json | None = None) -> None:
        shown = about or self._shown(intent)
        if kind.startswith("charge."):
            shown = _charge_shown(intent) or {}
        created = int(self.books(intent.account).now().timestamp())
        event = {"id": _id("evt"), "object": "event", "type": kind, "created": created, "data": {"object": shown}}
        self.tell(intent.account, event)

    def signed(self, secret: str, event: Json) -> tuple[bytes, Mapping[str, str]]:
        """Sign it: https://docs.stripe.com/webhooks#verify-manually."""
        body, at = json.dumps(event).encode(), int(time.time())
        signature = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        return body, {"Stripe-Signature": f"t={at},v1={signature}", "Content-Type": "application/json"}


def _charge_shown(intent: _Intent) -> Json | None:
    if intent.promised_at is None:
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


def _refund_shown(refund: _Refund) -> Json:
    return {
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "payment_intent": refund.intent.id,
        "metadata": refund.metadata,
        "status": "succeeded",
    }


def _page(url: str, data: list[Json]) -> Json:
    return {"object": "list", "url": url, "has_more": False, "data": data}


def _require(intent: _Intent, *statuses: str) -> None:
    if intent.status not in statuses:
        raise _Refused(400, "invalid_request_error", "payment_intent_unexpected_state")


def _booking(intent: _Intent) -> str | None:
    return intent.metadata.get("holdfast_booking")


def _id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


def _form(body: str) -> dict[str, Any]:
    """A form; `metadata[name]` becomes a member of `metadata`."""
    form: dict[str, Any] = {}
    for name, value in parse_qsl(body, keep_blank_values=True):
        outer, _, inner = name.partition("[")
        if inner and not inner.rstrip("]").isdigit():
            form.setdefault(outer, {})[inner.rstrip("]")] = value
        else:
            form[outer] = value
    return form
