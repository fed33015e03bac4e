"""Payments through Stripe: PaymentIntents with manual capture.

https://docs.stripe.com/api/payment_intents
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn
from uuid import UUID

import httpx
import stripe

from activities.adapters.vendor_http import new_client, raise_for, send
from activities.ports import ChargeRequest, DeclinedError
from activities.vendor_calls import Call
from domain.effects import VendorError
from domain.payments import Charge, ChargeState

REAL_URL: Final = "https://api.stripe.com"
_BOOKING: Final = "holdfast_booking"
_TRY: Final = "holdfast_try"
_WITH_CHARGE: Final = "latest_charge"
_CLIENT_ERROR: Final = 400
_TOO_MANY: Final = 429
_TEMPORARY: Final = frozenset({409})
_SERVER_ERROR: Final = 500
_OVERTAKEN: Final = frozenset(
    {"payment_intent_unexpected_state", "charge_already_refunded", "charge_already_captured"}
)
"""The payment was changed meanwhile; a retry looks again."""
_EXPIRED: Final = frozenset({"automatic", "expired"})
"""https://docs.stripe.com/api/payment_intents/object#payment_intent_object-cancellation_reason"""
_VALID_REFUNDS: Final = frozenset({"succeeded", "pending"})
"""https://docs.stripe.com/api/refunds/object#refund_object-status: neither failed nor cancelled."""

_STATES: Final = {
    "requires_payment_method": ChargeState.DECLINED,
    "requires_confirmation": ChargeState.DECLINED,
    "requires_action": ChargeState.ACTION_REQUIRED,
    "processing": ChargeState.PROCESSING,
    "requires_capture": ChargeState.AUTHORIZED,
    "succeeded": ChargeState.CAPTURED,
    "canceled": ChargeState.VOID,
}


class StripeGateway:
    """Each booking has its own Stripe customer: listing a customer's payments has no delay, unlike searching."""

    def __init__(self, base_url: str = REAL_URL) -> None:
        self._base_url = base_url
        self._http = _Transport(new_client(base_url))

    async def payer(self, call: Call, booking_id: UUID) -> str:
        """A Stripe customer without name and address."""
        params = {"metadata": {_BOOKING: str(booking_id)}}
        customers = self._client(call).v1.customers
        created = await _translated(customers.create_async(_any(params), await _confirmed_key(call, "payer")))
        return str(created.id)

    async def charges(self, call: Call, payer: str) -> Sequence[Charge]:
        """The payer's PaymentIntents, of which a booking has a handful."""
        params = {"customer": payer, "limit": 100, "expand": [f"data.{_WITH_CHARGE}"]}
        found = await _translated(self._client(call).v1.payment_intents.list_async(_any(params)))
        intents = [intent for intent in found.data if _TRY in (intent.metadata or {})]
        charges = [await self._charge(call, intent) for intent in intents]
        return sorted(charges, key=lambda charge: charge.number)

    async def authorize(self, call: Call, request: ChargeRequest) -> Charge:
        """Create and confirm a PaymentIntent with `capture_method` manual."""
        params: dict[str, Any] = {
            "amount": request.amount,
            "currency": request.currency.lower(),
            "customer": request.payer,
            "payment_method": request.method,
            "payment_method_types": ["card"],
            "capture_method": "manual",
            "confirm": True,
            "metadata": {_BOOKING: str(request.booking_id), _TRY: str(request.number)},
            "expand": [_WITH_CHARGE],
        }
        if request.off_session:
            params["off_session"] = True
        else:  # an authorisation that expires before its capture is repeated without the customer
            params["setup_future_usage"] = "off_session"
        intents = self._client(call).v1.payment_intents
        key = await _confirmed_key(call, f"authorize/{request.number}")
        return await self._charge(call, await _translated(intents.create_async(_any(params), key)))

    async def capture(self, call: Call, ref: str, amount: int) -> Charge:
        """Capture and release the rest: https://docs.stripe.com/api/payment_intents/capture."""
        params = {"amount_to_capture": amount, "expand": [_WITH_CHARGE]}
        intents = self._client(call).v1.payment_intents
        key = await _confirmed_key(call, f"capture/{ref}/{amount}")
        return await self._charge(call, await _translated(intents.capture_async(ref, _any(params), key)))

    async def void(self, call: Call, ref: str) -> None:
        """Cancel the PaymentIntent: https://docs.stripe.com/api/payment_intents/cancel."""
        intents = self._client(call).v1.payment_intents
        await _translated(intents.cancel_async(ref, None, await _confirmed_key(call, f"void/{ref}")))

    async def refund(self, call: Call, ref: str, amount: int) -> None:
        """Create a refund: https://docs.stripe.com/api/refunds/create."""
        params = {"payment_intent": ref, "amount": amount, "metadata": {_BOOKING: "settled"}}
        refunds = self._client(call).v1.refunds
        key = await _confirmed_key(call, f"refund/{ref}/{amount}")
        await _translated(refunds.create_async(_any(params), key))

    def _client(self, call: Call) -> stripe.StripeClient:
        return stripe.StripeClient(
            call.account.secrets.get("api_key", ""),
            base_addresses={"api": self._base_url},
            max_network_retries=0,
            http_client=self._http,
        )

    async def _charge(self, call: Call, intent: Any) -> Charge:
        state = _STATES.get(intent.status, ChargeState.PROCESSING)
        error = intent.last_payment_error
        is_captured = state is ChargeState.CAPTURED
        return Charge(
            ref=intent.id,
            number=int(intent.metadata[_TRY]),
            state=state,
            captured=intent.amount_received if is_captured else 0,
            refunded=await self._refunded(call, intent) if is_captured else 0,
            has_lapsed=intent.cancellation_reason in _EXPIRED,
            failure=_decline_code(error) if state is ChargeState.DECLINED and error else None,
            action=_action(intent) if state is ChargeState.ACTION_REQUIRED else None,
        )

    async def _refunded(self, call: Call, intent: Any) -> int:
        """The refunded amount. After a partial capture, the charge's sum may include what was never captured."""
        charge = intent.latest_charge
        if charge is None or charge.amount_refunded == 0:
            return 0
        if charge.amount_captured == charge.amount:
            return int(charge.amount_refunded)
        params = {"payment_intent": intent.id, "limit": 100}
        found = await _translated(self._client(call).v1.refunds.list_async(_any(params)))
        own = [one for one in found.data if one.status in _VALID_REFUNDS and _BOOKING in (one.metadata or {})]
        return sum(one.amount for one in own)


class _Transport(stripe.HTTPClient):
    """Sends the library's requests with our own client, whose errors say whether a request may have arrived."""

    name = "httpx"

    def __init__(self, client: httpx.AsyncClient) -> None:
        super().__init__()
        self._client = client

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        request = self._client.build_request(method.upper(), url, headers=dict(headers), content=post_data)
        response = await send(self._client, request)
        if response.status_code == _TOO_MANY:  # whether or not the library understands the body
            raise_for(response)
        return response.content, response.status_code, response.headers


def _any(params: dict[str, Any]) -> Any:
    return params


async def _confirmed_key(call: Call, operation: str) -> Any:
    """The options with the idempotency key of a request that changes something. Send it right away.

    Stripe forgets keys after a day: https://docs.stripe.com/api/idempotent_requests.
    """
    await call.confirm()
    return {"idempotency_key": f"{call.key}/{operation}"[:255]}


async def _translated(request: Any) -> Any:
    """The library's answer, with its errors as ours."""
    try:
        return await request
    except stripe.StripeError as error:
        _raise_for(error)


def _raise_for(error: stripe.StripeError) -> NoReturn:
    """Raise what the error means: https://docs.stripe.com/error-handling."""
    status = error.http_status or 0
    if isinstance(error, stripe.CardError):
        raise DeclinedError(_decline_code(error.error) or error.code or "declined") from None
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        raise VendorError("unauthorized", permanent=True) from None
    if status in _TEMPORARY or status >= _SERVER_ERROR or isinstance(error, stripe.APIConnectionError):
        raise VendorError(f"http_{status}" if status else "unreachable") from None
    if 0 < status < _CLIENT_ERROR:  # it succeeded, and the answer is unreadable
        raise VendorError("unreadable_answer") from None
    if error.code in _OVERTAKEN:
        raise VendorError("changed_meanwhile") from None
    if isinstance(error, stripe.InvalidRequestError) and error.param == "payment_method":
        raise DeclinedError("invalid_method") from None
    raise VendorError(error.code or "invalid_request", permanent=True) from None


def _decline_code(error: Any) -> str | None:
    code = getattr(error, "decline_code", None) or getattr(error, "code", None)
    return str(code) if code else None


def _action(intent: Any) -> dict[str, Any]:
    """What Stripe.js continues with: https://docs.stripe.com/payments/3d-secure/authentication-flow."""
    action = intent.next_action
    redirect = getattr(action, "redirect_to_url", None)
    return {"client_secret": intent.client_secret, "redirect_url": getattr(redirect, "url", None)}
