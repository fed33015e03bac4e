"""Payments through PAY.JP v2 (https://docs.pay.jp/v2/api): payment flows that are captured by hand.

The vendor's client is a synchronous one, so it is called in threads; each call ends itself.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import lru_cache, partial
from typing import Any, Final, NoReturn
from uuid import UUID

import urllib3
from payjpv2.api.customers_api import CustomersApi
from payjpv2.api.payment_flows_api import PaymentFlowsApi
from payjpv2.api.payment_methods_api import PaymentMethodsApi
from payjpv2.api.payment_refunds_api import PaymentRefundsApi
from payjpv2.api_client import ApiClient
from payjpv2.configuration import Configuration
from payjpv2.exceptions import ApiException
from payjpv2.models.capture_method import CaptureMethod
from payjpv2.models.currency import Currency
from payjpv2.models.customer_create_request import CustomerCreateRequest
from payjpv2.models.metadata_value import MetadataValue
from payjpv2.models.payment_flow_cancel_request import PaymentFlowCancelRequest
from payjpv2.models.payment_flow_capture_request import PaymentFlowCaptureRequest
from payjpv2.models.payment_flow_create_request import PaymentFlowCreateRequest
from payjpv2.models.payment_method_attach_request import PaymentMethodAttachRequest
from payjpv2.models.payment_refund_create_request import PaymentRefundCreateRequest

from activities.adapters.vendor_http import retry_after
from activities.ports.payments import DeclinedError, Order
from activities.ports.vendors import Call
from domain.effects import VendorError
from domain.payments import Charge, ChargeState
from runtime.json import from_json

REAL_URL: Final = "https://api.pay.jp"
_TIMEOUT: Final = (5.0, 20.0)
_CALLS_AT_ONCE: Final = 100
"""As many as a worker has places for: a call that waited here for a thread would use up the time it has."""
_BOOKING: Final = "holdfast_booking"
_TRY: Final = "holdfast_try"
_ODD: Final = re.compile(r"[^A-Za-z0-9_-]")
_CODE: Final = re.compile(r"[a-z0-9_]{1,60}")
_MAY_PASS: Final = frozenset({"idempotency_timeout", "idempotency_infrastructure_error"})
_OVERTAKEN: Final = frozenset({"invalid_status", "already_refunded", "payment_flow_unexpected_status"})
_STANDING: Final = frozenset({"succeeded", "pending", "requires_action"})
"""Refunds that were not taken back."""
_DECLINED: Final = 402
_UNAUTHORIZED: Final = "unauthorized"

_STATES: Final = {
    "requires_payment_method": ChargeState.DECLINED,
    "requires_confirmation": ChargeState.DECLINED,
    "requires_action": ChargeState.ACTION_REQUIRED,
    "processing": ChargeState.PROCESSING,
    "requires_capture": ChargeState.AUTHORIZED,
    "succeeded": ChargeState.CAPTURED,
    "canceled": ChargeState.VOID,
}


class _Client(ApiClient):
    """The library's client, which tells an answer that cannot be read from a request that cannot be made."""

    def response_deserialize(self, response_data: Any, response_types_map: Any = None) -> Any:
        """What the answer holds. Whatever it cannot be read for, it may tell of money that was moved."""
        try:
            return super().response_deserialize(response_data, response_types_map)
        except ApiException as error:
            if error.status:
                raise
        except (ValueError, TypeError, LookupError, AttributeError):
            pass
        raise VendorError("unreadable_answer")


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    # Of its own: a gateway that hangs must not use up the threads in which the database's host is resolved.
    return ThreadPoolExecutor(_CALLS_AT_ONCE, thread_name_prefix="payjp")


class PayjpGateway:
    """A booking has a customer of its own at PAY.JP, under an id that is made from the booking's."""

    def __init__(self, base_url: str = REAL_URL) -> None:
        # urllib3's own retries are off: a request that may have been heard is ours to repeat.
        configuration = Configuration(host=base_url, ignore_operation_servers=True, retries=0)
        configuration.connection_pool_maxsize = _CALLS_AT_ONCE
        client = _Client(configuration)
        self._customers = CustomersApi(client)
        self._methods = PaymentMethodsApi(client)
        self._flows = PaymentFlowsApi(client)
        self._refunds = PaymentRefundsApi(client)

    async def payer(self, call: Call, booking_id: UUID) -> str:
        """A customer without name and address; one that is there already is the one."""
        payer = f"holdfast_{booking_id.hex}"
        body = CustomerCreateRequest(id=payer, metadata=_metadata(booking_id))
        try:
            await _asked(call, self._customers.create_customer, body, idempotency_key=await _once(call, "payer"))
        except VendorError as error:
            if not error.permanent:
                raise
            # It may be there from before. What was refused for another reason is refused here too.
            await _asked(call, self._customers.get_customer, payer)
        return payer

    async def charges(self, call: Call, payer: str) -> Sequence[Charge]:
        """Their payment flows; a booking has a handful."""
        found = await _asked(call, self._flows.get_all_payment_flows, limit=100, customer_id=payer)
        ours = [flow for flow in found.data if _TRY in flow.metadata]
        charges = [await self._charge(call, flow) for flow in ours]
        return sorted(charges, key=lambda charge: charge.number)

    async def authorize(self, call: Call, order: Order) -> Charge:
        """Attach the method to the payer, who may be charged with no other; then create and confirm a flow."""
        await self._attach(call, order)
        body = PaymentFlowCreateRequest(
            amount=order.amount,
            currency=Currency(order.currency.lower()),
            customer_id=order.payer,
            payment_method_id=order.method,
            capture_method=CaptureMethod.MANUAL,
            confirm=True,
            metadata=_metadata(order.booking_id, order.number),
        )
        key = await _once(call, f"authorize_{order.number}")
        return await self._charge(
            call, await _asked(call, self._flows.create_payment_flow, body, idempotency_key=key)
        )

    async def _attach(self, call: Call, order: Order) -> None:
        body = PaymentMethodAttachRequest(customer_id=order.payer)
        key = await _once(call, f"attach_{order.number}")
        try:
            await _asked(call, self._methods.attach_payment_method, order.method, body, idempotency_key=key)
        except VendorError as error:
            if not error.permanent or error.code == _UNAUTHORIZED:
                raise
            await self._require_attached(call, order)  # from before, or it is no method at all

    async def _require_attached(self, call: Call, order: Order) -> None:
        try:
            found = await _asked(call, self._methods.get_payment_method, order.method)
        except VendorError as error:
            if not error.permanent or error.code == _UNAUTHORIZED:
                raise
            raise DeclinedError("invalid_method") from None
        if found.actual_instance.customer_id != order.payer:
            raise DeclinedError("invalid_method")

    async def capture(self, call: Call, ref: str, amount: int) -> Charge:
        """What is left of it is let go."""
        body = PaymentFlowCaptureRequest(amount_to_capture=amount)
        key = await _once(call, f"capture_{ref}_{amount}")
        return await self._charge(
            call, await _asked(call, self._flows.capture_payment_flow, ref, body, idempotency_key=key)
        )

    async def void(self, call: Call, ref: str) -> None:
        """Cancel the flow."""
        body, key = PaymentFlowCancelRequest(), await _once(call, f"void_{ref}")
        await _asked(call, self._flows.cancel_payment_flow, ref, body, idempotency_key=key)

    async def refund(self, call: Call, ref: str, amount: int) -> None:
        """Give back a part or all of it."""
        body = PaymentRefundCreateRequest(payment_flow_id=ref, amount=amount)
        key = await _once(call, f"refund_{ref}_{amount}")
        await _asked(call, self._refunds.create_payment_refund, body, idempotency_key=key)

    async def _charge(self, call: Call, flow: Any) -> Charge:
        state = _STATES.get(str(flow.status.value), ChargeState.PROCESSING)
        is_captured = state is ChargeState.CAPTURED
        return Charge(
            ref=flow.id,
            number=int(flow.metadata[_TRY].actual_instance),
            state=state,
            captured=(flow.amount_received or 0) if is_captured else 0,
            refunded=await self._refunded(call, flow.id) if is_captured else 0,
            has_lapsed=state is ChargeState.VOID and flow.expired_at is not None,
            failure=_failure(flow.last_payment_error) if state is ChargeState.DECLINED else None,
            action=_action(flow) if state is ChargeState.ACTION_REQUIRED else None,
        )

    async def _refunded(self, call: Call, ref: str) -> int:
        found = await _asked(call, self._flows.get_payment_flow_refunds, ref, limit=100)
        return sum(one.amount for one in found.data if one.status.value in _STANDING)


def _metadata(booking_id: UUID, number: int | None = None) -> dict[str, MetadataValue]:
    values = {_BOOKING: MetadataValue(str(booking_id))}
    return values if number is None else values | {_TRY: MetadataValue(number)}


async def _once(call: Call, operation: str) -> str:
    """The key of a request that changes something, which is made right afterwards.

    Of letters, digits, `-` and `_`: https://docs.pay.jp/v2/guide/developers/idempotency.
    """
    await call.confirm()
    return _ODD.sub("_", f"{call.key}_{operation}")[:255]


async def _asked(call: Call, operation: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    bearer = f"Bearer {call.account.secrets.get('api_key', '')}"
    auth = {"type": "bearer", "in": "header", "key": "Authorization", "value": bearer}
    try:
        ask = partial(operation, *arguments, request_timeout=_TIMEOUT, request_auth=auth, **named)
        return await asyncio.get_running_loop().run_in_executor(_threads(), ask)
    except ApiException as error:
        _raise_for(error)
    except (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.NewConnectionError):
        raise VendorError("unreachable") from None
    except urllib3.exceptions.TimeoutError:
        raise VendorError("timeout") from None
    except urllib3.exceptions.HTTPError as error:
        raise VendorError(_lost(error)) from None
    except ValueError:  # the client's own check of what it is to send
        raise VendorError("invalid_shape", permanent=True) from None


def _lost(error: urllib3.exceptions.HTTPError) -> str:
    """What became of a request whose answer did not come."""
    reason = getattr(error, "reason", error)
    if isinstance(reason, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError):
        return "unreachable"
    return "timeout" if isinstance(reason, urllib3.exceptions.TimeoutError) else "reply_lost"


def _raise_for(error: ApiException) -> NoReturn:
    """Say what an error means: https://docs.pay.jp/v2/guide/developers/error-response."""
    status, code = int(error.status or 0), _code(error)
    if status == _DECLINED:
        raise DeclinedError(code or "declined") from None
    if status in (401, 403):
        raise VendorError(_UNAUTHORIZED, permanent=True) from None
    if status == 429:  # noqa: PLR2004
        raise VendorError("rate_limited", retry_after=_pause(error)) from None
    if code in _MAY_PASS or status >= 500 or status == 0:  # noqa: PLR2004
        raise VendorError(code or f"http_{status}") from None
    if code in _OVERTAKEN:
        raise VendorError("changed_meanwhile") from None
    raise VendorError(code or f"http_{status}", permanent=True) from None


def _pause(error: ApiException) -> timedelta | None:
    return retry_after((error.headers or {}).get("retry-after"))


def _code(error: ApiException) -> str | None:
    """The code of a problem document; the client's model of it leaves that out."""
    try:
        code = from_json(error.body or "").get("code")
    except (ValueError, AttributeError):
        return None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else None


def _failure(error: dict[str, Any] | None) -> str | None:
    code = (error or {}).get("code")
    return code if isinstance(code, str) and _CODE.fullmatch(code) else None


def _action(flow: Any) -> dict[str, Any]:
    """What payjp.js goes on with."""
    action = flow.next_action or {}
    redirect = action.get("redirect_to_url") or {}
    return {"client_secret": flow.client_secret, "redirect_url": redirect.get("url")}
