"""Payments through PAY.JP v2 (https://docs.pay.jp/v2/api): payment flows with manual capture.

The vendor's client is synchronous, so it runs in threads; each call has its own timeout.
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
from activities.ports import ChargeRequest, DeclinedError
from activities.vendor_calls import Call
from domain.effects import VendorError
from domain.payments import Charge, ChargeState
from runtime.json import from_json

REAL_URL: Final = "https://api.pay.jp"
_TIMEOUT: Final = (5.0, 20.0)
_CONCURRENT_CALLS: Final = 100
"""As many as a worker runs at once: a call that waits here for a thread would use up its own time."""
_BOOKING: Final = "holdfast_booking"
_TRY: Final = "holdfast_try"
_NOT_IN_KEYS: Final = re.compile(r"[^A-Za-z0-9_-]")
_CODE: Final = re.compile(r"[a-z0-9_]{1,60}")
_TEMPORARY: Final = frozenset({"idempotency_timeout", "idempotency_infrastructure_error"})
_OVERTAKEN: Final = frozenset({"invalid_status", "already_refunded", "payment_flow_unexpected_status"})
_VALID_REFUNDS: Final = frozenset({"succeeded", "pending", "requires_action"})
"""Neither failed nor cancelled."""
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
    """The library's client, which distinguishes an unreadable answer from a request that cannot be sent."""

    def response_deserialize(self, response_data: Any, response_types_map: Any = None) -> Any:
        """The answer's content. An unreadable answer may mean that money was moved."""
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
    # A pool of its own: a gateway that hangs must not use up the threads that resolve the database's host.
    return ThreadPoolExecutor(_CONCURRENT_CALLS, thread_name_prefix="payjp")


class PayjpGateway:
    """Each booking has its own PAY.JP customer, whose id is derived from the booking's."""

    def __init__(self, base_url: str = REAL_URL) -> None:
        # Without urllib3's own retries: only we may repeat a request that may have arrived.
        configuration = Configuration(host=base_url, ignore_operation_servers=True, retries=0)
        configuration.connection_pool_maxsize = _CONCURRENT_CALLS
        client = _Client(configuration)
        self._customers = CustomersApi(client)
        self._methods = PaymentMethodsApi(client)
        self._flows = PaymentFlowsApi(client)
        self._refunds = PaymentRefundsApi(client)

    async def payer(self, call: Call, booking_id: UUID) -> str:
        """A PAY.JP customer without name and address; an existing one is reused."""
        payer = f"holdfast_{booking_id.hex}"
        body, key = (
            CustomerCreateRequest(id=payer, metadata=_metadata(booking_id)),
            await _confirmed_key(call, "payer"),
        )
        try:
            await _request(call, self._customers.create_customer, body, idempotency_key=key)
        except VendorError as error:
            if not error.permanent:
                raise
            # It may exist already. If the refusal had another reason, this is refused too.
            await _request(call, self._customers.get_customer, payer)
        return payer

    async def charges(self, call: Call, payer: str) -> Sequence[Charge]:
        """The payer's payment flows, of which a booking has a handful."""
        found = await _request(call, self._flows.get_all_payment_flows, limit=100, customer_id=payer)
        ours = [flow for flow in found.data if _TRY in flow.metadata]
        charges = [await self._charge(call, flow) for flow in ours]
        return sorted(charges, key=lambda charge: charge.number)

    async def authorize(self, call: Call, request: ChargeRequest) -> Charge:
        """Attach the method to the payer, which charging requires; then create and confirm a payment flow."""
        await self._attach(call, request)
        body = PaymentFlowCreateRequest(
            amount=request.amount,
            currency=Currency(request.currency.lower()),
            customer_id=request.payer,
            payment_method_id=request.method,
            capture_method=CaptureMethod.MANUAL,
            confirm=True,
            metadata=_metadata(request.booking_id, request.number),
        )
        key = await _confirmed_key(call, f"authorize_{request.number}")
        return await self._charge(
            call, await _request(call, self._flows.create_payment_flow, body, idempotency_key=key)
        )

    async def _attach(self, call: Call, request: ChargeRequest) -> None:
        body = PaymentMethodAttachRequest(customer_id=request.payer)
        key = await _confirmed_key(call, f"attach_{request.number}")
        try:
            await _request(call, self._methods.attach_payment_method, request.method, body, idempotency_key=key)
        except VendorError as error:
            if not error.permanent or error.code == _UNAUTHORIZED:
                raise
            await self._require_attached(call, request)  # it may have been attached before

    async def _require_attached(self, call: Call, request: ChargeRequest) -> None:
        try:
            found = await _request(call, self._methods.get_payment_method, request.method)
        except VendorError as error:
            if not error.permanent or error.code == _UNAUTHORIZED:
                raise
            raise DeclinedError("invalid_method") from None
        if found.actual_instance.customer_id != request.payer:
            raise DeclinedError("invalid_method")

    async def capture(self, call: Call, ref: str, amount: int) -> Charge:
        """Capture and release the rest."""
        body = PaymentFlowCaptureRequest(amount_to_capture=amount)
        key = await _confirmed_key(call, f"capture_{ref}_{amount}")
        return await self._charge(
            call, await _request(call, self._flows.capture_payment_flow, ref, body, idempotency_key=key)
        )

    async def void(self, call: Call, ref: str) -> None:
        """Cancel the flow."""
        body, key = PaymentFlowCancelRequest(), await _confirmed_key(call, f"void_{ref}")
        await _request(call, self._flows.cancel_payment_flow, ref, body, idempotency_key=key)

    async def refund(self, call: Call, ref: str, amount: int) -> None:
        """Refund a part or all of it."""
        body = PaymentRefundCreateRequest(payment_flow_id=ref, amount=amount)
        key = await _confirmed_key(call, f"refund_{ref}_{amount}")
        await _request(call, self._refunds.create_payment_refund, body, idempotency_key=key)

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
        found = await _request(call, self._flows.get_payment_flow_refunds, ref, limit=100)
        return sum(one.amount for one in found.data if one.status.value in _VALID_REFUNDS)


def _metadata(booking_id: UUID, number: int | None = None) -> dict[str, MetadataValue]:
    values = {_BOOKING: MetadataValue(str(booking_id))}
    return values if number is None else values | {_TRY: MetadataValue(number)}


async def _confirmed_key(call: Call, operation: str) -> str:
    """The idempotency key of a request that changes something. Send it right away.

    Letters, digits, `-` and `_`: https://docs.pay.jp/v2/guide/developers/idempotency.
    """
    await call.confirm()
    return _NOT_IN_KEYS.sub("_", f"{call.key}_{operation}")[:255]


async def _request(call: Call, operation: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """The answer of one operation of the library, run in a thread, with its errors as ours."""
    bearer = f"Bearer {call.account.secrets.get('api_key', '')}"
    auth = {"type": "bearer", "in": "header", "key": "Authorization", "value": bearer}
    try:
        run = partial(operation, *arguments, request_timeout=_TIMEOUT, request_auth=auth, **named)
        return await asyncio.get_running_loop().run_in_executor(_threads(), run)
    except ApiException as error:
        _raise_for(error)
    except (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.NewConnectionError):
        raise VendorError("unreachable") from None
    except urllib3.exceptions.TimeoutError:
        raise VendorError("timeout") from None
    except urllib3.exceptions.HTTPError as error:
        raise VendorError(_failure_code(error)) from None
    except ValueError:  # the client's own validation of the request
        raise VendorError("invalid_shape", permanent=True) from None


def _failure_code(error: urllib3.exceptions.HTTPError) -> str:
    """The code of a request without an answer."""
    reason = getattr(error, "reason", error)
    if isinstance(reason, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError):
        return "unreachable"
    return "timeout" if isinstance(reason, urllib3.exceptions.TimeoutError) else "reply_lost"


def _raise_for(error: ApiException) -> NoReturn:
    """Raise what the error means: https://docs.pay.jp/v2/guide/developers/error-response."""
    status, code = int(error.status or 0), _code(error)
    if status == _DECLINED:
        raise DeclinedError(code or "declined") from None
    if status in (401, 403):
        raise VendorError(_UNAUTHORIZED, permanent=True) from None
    if status == 429:  # noqa: PLR2004
        raise VendorError("rate_limited", retry_after=_pause(error)) from None
    if code in _TEMPORARY or status >= 500 or status == 0:  # noqa: PLR2004
        raise VendorError(code or f"http_{status}") from None
    if code in _OVERTAKEN:
        raise VendorError("changed_meanwhile") from None
    raise VendorError(code or f"http_{status}", permanent=True) from None


def _pause(error: ApiException) -> timedelta | None:
    return retry_after((error.headers or {}).get("retry-after"))


def _code(error: ApiException) -> str | None:
    """The code of a problem document, which the client's model leaves out."""
    try:
        code = from_json(error.body or "").get("code")
    except (ValueError, AttributeError):
        return None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else None


def _failure(error: dict[str, Any] | None) -> str | None:
    code = (error or {}).get("code")
    return code if isinstance(code, str) and _CODE.fullmatch(code) else None


def _action(flow: Any) -> dict[str, Any]:
    """What payjp.js continues with."""
    action = flow.next_action or {}
    redirect = action.get("redirect_to_url") or {}
    return {"client_secret": flow.client_secret, "redirect_url": redirect.get("url")}
