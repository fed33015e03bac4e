"""Stripe and PAY.JP against their simulators: money moves once even if answers are lost."""

from dataclasses import replace
from datetime import timedelta

import pytest
from fastapi import FastAPI, Response

from activities.ports import DeclinedError
from dev.vendors.fault_modes import FaultMode
from domain.effects import Vendor, VendorError
from domain.payments import ChargeState
from tests.support.servers import served
from tests.support.simulator import Simulator
from tests.support.vendors.gateways import GatewayAccount, Methods
from tests.support.vendors.mails import again


@pytest.fixture(params=[Vendor.STRIPE, Vendor.PAYJP])
def account(request: pytest.FixtureRequest, vendors: Simulator) -> GatewayAccount:
    return GatewayAccount.at(request.param, vendors)


@pytest.fixture
def methods(account: GatewayAccount) -> Methods:
    return Methods.of(account.vendor)


async def test_money_is_promised_taken_and_given_back(account: GatewayAccount, methods: Methods) -> None:
    charge_request = await account.charge_request(methods.good)
    promised = await account.gateway.authorize(account.call(), charge_request)
    assert (promised.state, promised.number, promised.net) == (ChargeState.AUTHORIZED, 1, 0)
    taken = await account.gateway.capture(account.call(), promised.ref, 5000)
    assert (taken.state, taken.captured) == (ChargeState.CAPTURED, 5000)
    await account.gateway.refund(account.call(), promised.ref, 1200)
    [charge] = await account.gateway.charges(account.call(), charge_request.payer)
    assert (charge.ref, charge.captured, charge.refunded) == (promised.ref, 5000, 1200)
    assert account.moved() == [("authorize", 5000), ("capture", 5000), ("refund", 1200)]


async def test_what_is_not_taken_of_a_promise_is_let_go(account: GatewayAccount, methods: Methods) -> None:
    charge_request = await account.charge_request(methods.good)
    promised = await account.gateway.authorize(account.call(), charge_request)
    await account.gateway.capture(account.call(), promised.ref, 2000)
    await account.gateway.refund(account.call(), promised.ref, 500)
    [charge] = await account.gateway.charges(account.call(), charge_request.payer)
    assert (charge.captured, charge.refunded) == (2000, 500)


async def test_a_promise_can_be_let_go(account: GatewayAccount, methods: Methods) -> None:
    charge_request = await account.charge_request(methods.good)
    promised = await account.gateway.authorize(account.call(), charge_request)
    await account.gateway.void(account.call(), promised.ref)
    [charge] = await account.gateway.charges(account.call(), charge_request.payer)
    assert (charge.state, charge.has_lapsed) == (ChargeState.VOID, False)
    assert account.moved() == [("authorize", 5000), ("void", 5000)]


async def test_a_method_that_does_not_pay_is_declined_and_found_so(
    account: GatewayAccount, methods: Methods
) -> None:
    charge_request = await account.charge_request(methods.declined)
    with pytest.raises(DeclinedError) as declined:
        await account.gateway.authorize(account.call(), charge_request)
    [charge] = await account.gateway.charges(account.call(), charge_request.payer)
    assert (charge.state, charge.failure) == (ChargeState.DECLINED, declined.value.code)
    assert account.moved() == []


async def test_what_is_no_method_is_declined(account: GatewayAccount) -> None:
    with pytest.raises(DeclinedError, match="invalid_method"):
        await account.gateway.authorize(account.call(), await account.charge_request("pm_unheard_of"))


async def test_a_customer_is_asked_who_they_are_and_goes_on(account: GatewayAccount, methods: Methods) -> None:
    charge_request = await account.charge_request(methods.challenged)
    pending = await account.gateway.authorize(account.call(), charge_request)
    assert pending.state is ChargeState.ACTION_REQUIRED
    assert pending.action is not None
    assert pending.action["client_secret"].startswith(pending.ref)
    await account.authenticate(pending.ref)
    [charge] = await account.gateway.charges(account.call(), charge_request.payer)
    assert charge.state is ChargeState.AUTHORIZED


async def test_after_a_lost_reply_the_same_key_does_nothing_again(
    account: GatewayAccount, methods: Methods
) -> None:
    charge_request, call = await account.charge_request(methods.good), account.call()
    account.behave(FaultMode.REPLY_LOST, times=1 if account.vendor is Vendor.STRIPE else 2)
    for _ in range(1 if account.vendor is Vendor.STRIPE else 2):  # PAY.JP attaches the method first
        with pytest.raises(VendorError, match="reply_lost"):
            await account.gateway.authorize(call, charge_request)
        call = again(call)
    promised = await account.gateway.authorize(call, charge_request)
    assert account.moved() == [("authorize", 5000)]
    account.behave(FaultMode.REPLY_LOST)
    with pytest.raises(VendorError, match="reply_lost"):
        await account.gateway.capture(call, promised.ref, 5000)
    taken = await account.gateway.capture(again(call), promised.ref, 5000)
    assert taken.captured == 5000
    assert account.moved() == [("authorize", 5000), ("capture", 5000)]


async def test_a_day_later_the_key_is_forgotten_and_the_lookup_is_not(
    account: GatewayAccount, methods: Methods
) -> None:
    charge_request, call = await account.charge_request(methods.good), account.call()
    await account.gateway.authorize(call, charge_request)
    await account.pass_hours(25)
    assert await account.gateway.payer(again(account.call()), account.booking_id)
    [charge] = await account.gateway.charges(again(call), charge_request.payer)
    assert (charge.number, charge.state) == (1, ChargeState.AUTHORIZED)
    await account.gateway.authorize(again(call), charge_request)  # what whoever does not look does
    assert account.moved() == [("authorize", 5000)] * 2


async def test_a_promise_that_nobody_takes_up_lapses(account: GatewayAccount, methods: Methods) -> None:
    charge_request = await account.charge_request(methods.good)
    await account.gateway.authorize(account.call(), charge_request)
    await account.pass_hours(8 * 24)
    [charge] = await account.gateway.charges(account.call(), charge_request.payer)
    assert (charge.state, charge.has_lapsed) == (ChargeState.VOID, True)


async def test_a_limit_names_its_pause(account: GatewayAccount, methods: Methods) -> None:
    charge_request = await account.charge_request(methods.good)
    account.behave(FaultMode.RATE_LIMITED, seconds=7)
    with pytest.raises(VendorError) as refused:
        await account.gateway.charges(account.call(), charge_request.payer)
    assert (refused.value.code, refused.value.permanent) == ("rate_limited", False)
    assert refused.value.retry_after == timedelta(seconds=7)


async def test_a_fault_of_the_gateway_may_pass(account: GatewayAccount, methods: Methods) -> None:
    charge_request = await account.charge_request(methods.good)
    account.behave(FaultMode.FAILING)
    with pytest.raises(VendorError) as refused:
        await account.gateway.authorize(account.call(), charge_request)
    assert not refused.value.permanent
    assert account.moved() == []


async def test_a_wrong_key_and_a_wrong_request_are_for_good(account: GatewayAccount, methods: Methods) -> None:
    with pytest.raises(VendorError) as refused:
        await account.gateway.payer(account.call("wrong"), account.booking_id)
    assert (refused.value.code, refused.value.permanent) == ("unauthorized", True)
    promised = await account.gateway.authorize(account.call(), await account.charge_request(methods.good))
    with pytest.raises(VendorError) as refused:
        await account.gateway.capture(account.call(), promised.ref, 9000)
    assert refused.value.permanent


@pytest.mark.parametrize(("body", "kind"), [('{"odd": true', "application/json"), ("<html>", "text/html")])
async def test_an_answer_that_cannot_be_read_may_tell_of_money(
    account: GatewayAccount, body: str, kind: str
) -> None:
    gateway = FastAPI()

    @gateway.post("/{path:path}")
    async def garbled() -> Response:
        return Response(body, media_type=kind)

    async with served(gateway) as url:
        elsewhere = replace(account, gateway=type(account.gateway)(url))  # type: ignore[call-arg]  # both take a URL
        with pytest.raises(VendorError) as unreadable:
            await elsewhere.gateway.capture(account.call(), "pi_1", 5000)
    assert (unreadable.value.code, unreadable.value.permanent) == ("unreadable_answer", False)


async def test_the_customer_need_not_be_there_when_a_promise_is_made_anew(
    account: GatewayAccount, methods: Methods
) -> None:
    first = await account.charge_request(methods.good)
    await account.gateway.authorize(account.call(), first)
    again_later = replace(first, number=2, off_session=True)
    charge = await account.gateway.authorize(account.call(), again_later)
    assert (charge.state, charge.number) == (ChargeState.AUTHORIZED, 2)
