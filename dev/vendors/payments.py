"""The lifecycle of payments that the simulated gateways share: Stripe's PaymentIntents, PAY.JP's payment flows."""

import secrets
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final

from fastapi import Request

from dev.vendors.gateways import AUTHORIZATION_LIFETIME, Refusal, SimulatedGateway
from dev.vendors.ledger import Json, Ledger

_CANCELLABLE: Final = ("requires_capture", "requires_action", "requires_payment_method", "requires_confirmation")


@dataclass(slots=True)
class Payment:
    """One payment; amounts are in minor units."""

    id: str
    account: str
    amount: int
    currency: str
    """In lower case."""
    customer: str
    method: str
    metadata: Json
    created: datetime
    status: str = "requires_confirmation"
    received: int = 0
    refunded: int = 0
    failure: str | None = None
    authorized_at: datetime | None = None
    expired_at: datetime | None = None
    """The time at which its authorization expired unused."""
    refunds: list[Json] = field(default_factory=list)
    """As the API shows them."""

    @property
    def capturable(self) -> int:
        return self.amount if self.status == "requires_capture" else 0

    @property
    def booking(self) -> str | None:
        """The booking that it pays for."""
        found: Any = self.metadata.get("holdfast_booking")
        return None if found is None else str(found)


class PaymentGateway(SimulatedGateway):
    """A gateway whose payments are confirmed at once and captured later."""

    kind: ClassVar[str]
    """The gateway's word for a payment, in the ledger."""
    event_prefix: ClassVar[str]

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._payments: dict[str, dict[str, Payment]] = {}

    def payments(self, account: str) -> dict[str, Payment]:
        """The payments of one account by id, in the order of their creation."""
        return self._payments.setdefault(account, {})

    def current_payments(self, account: str) -> list[Payment]:
        """The payments of one account, with expired authorizations cancelled."""
        return [self._expire(payment) for payment in self.payments(account).values()]

    def find(self, account: str, payment_id: str) -> Payment:
        """A payment of the account.

        Raises:
            Refusal: there is none.
        """
        found = self.payments(account).get(payment_id)
        if found is None:
            raise self.not_found()
        return self._expire(found)

    def _expire(self, payment: Payment) -> Payment:
        """Cancel the payment if its authorization has expired."""
        if payment.status == "requires_capture" and payment.authorized_at is not None:
            now = self.account(payment.account).now()
            if now - payment.authorized_at > AUTHORIZATION_LIFETIME:
                payment.status, payment.expired_at = "canceled", now
                self._record(payment, "lapse", payment.amount)
        return payment

    # --- changes --------------------------------------------------------------------------------------------

    def confirm(self, request: Request, payment: Payment, *, failure: str | None, needs_action: bool) -> None:
        """Add a payment and authorize it, unless it is declined or the customer must authenticate.

        Raises:
            Refusal: the payment is declined.
        """
        self.payments(payment.account)[payment.id] = payment
        if failure is not None:
            payment.status, payment.failure = "requires_payment_method", failure
            self._record_outcome(request, payment, "decline")
            self.send_payment_event(payment, "payment_failed")
            raise self.declined(payment)
        if needs_action:
            payment.status = "requires_action"
            self._record_outcome(request, payment, "challenge")
            self.send_payment_event(payment, "requires_action")
            return
        self._authorize(payment)

    def _authorize(self, payment: Payment) -> None:
        payment.status, payment.authorized_at = "requires_capture", self.account(payment.account).now()
        self._record(payment, "authorize", payment.amount)
        self.send_payment_event(payment, "amount_capturable_updated")

    async def authenticate(self, account: str, id: str) -> None:
        """Let the customer authenticate with their bank."""
        payment = self.payments(account)[id]
        if payment.status == "requires_action":
            self._authorize(payment)

    def capture(self, payment: Payment, amount: int) -> None:
        """Take this amount."""
        payment.status, payment.received = "succeeded", amount
        self._record(payment, "capture", amount)
        self.send_payment_event(payment, "succeeded")

    def cancel(self, payment: Payment) -> None:
        """Cancel a payment that is not captured; an authorization is voided."""
        self.require_status(payment, *_CANCELLABLE)
        was_authorized = payment.status == "requires_capture"
        payment.status = "canceled"
        if was_authorized:
            self._record(payment, "void", payment.amount)
        self.send_payment_event(payment, "canceled")

    def refund(self, payment: Payment, amount: int, shown: Json) -> None:
        """Give an amount back; `shown` is the refund as the API shows it."""
        payment.refunded += amount
        payment.refunds.append(shown)
        self._record(payment, "refund", amount)

    def require_status(self, payment: Payment, *statuses: str) -> None:
        """Check the status of a payment.

        Raises:
            Refusal: it has another status.
        """
        if payment.status not in statuses:
            raise self.wrong_status()

    # --- ledger and events ----------------------------------------------------------------------------------

    def _record(self, payment: Payment, action: str, amount: int) -> None:
        detail = {self.kind: payment.id, "amount": amount, "currency": payment.currency}
        self.record_money(payment.account, action, key=payment.booking, detail=detail)

    def _record_outcome(self, request: Request, payment: Payment, action: str) -> None:
        self.record(request, action, key=payment.booking, applied=False, detail={self.kind: payment.id})

    def send_payment_event(self, payment: Payment, event: str) -> None:
        """Send an event about the payment; `event` is the name without the prefix."""
        self.send_event(payment.account, self.event(payment, f"{self.event_prefix}.{event}", self.show(payment)))

    def current_items(self) -> list[Json]:
        """All payments, for the page."""
        return [
            {
                "id": payment.id,
                "status": payment.status,
                "amount": payment.amount,
                "captured": payment.received,
                "refunded": payment.refunded,
                "currency": payment.currency.upper(),
                "booking": payment.booking,
            }
            for payments in self._payments.values()
            for payment in payments.values()
        ]

    # --- the gateway's own shapes ---------------------------------------------------------------------------

    @abstractmethod
    def show(self, payment: Payment) -> Json:
        """The payment as the API shows it."""

    @abstractmethod
    def event(self, payment: Payment, name: str, data: Json) -> Json:
        """An event about the payment."""

    @abstractmethod
    def not_found(self) -> Refusal:
        """The answer to an unknown payment."""

    @abstractmethod
    def wrong_status(self) -> Refusal:
        """The answer to a change that the payment's status does not allow."""

    @abstractmethod
    def declined(self, payment: Payment) -> Refusal:
        """The answer to a declined payment."""


def page(url: str, data: Iterable[Json]) -> Json:
    """A list as both gateways show it; it is always complete."""
    return {"object": "list", "url": url, "has_more": False, "data": list(data)}


def random_id(prefix: str) -> str:
    """A new id such as `pi_0123456789abcdef01234567`."""
    return f"{prefix}_{secrets.token_hex(12)}"
