"""Stripe and PAY.JP against their simulators: money is moved once, whatever becomes of the answers."""

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
from tests.support.vendors.gateways import Methods, Till
from tests.support.vendors.mails import again


@pytest.fixture(params=[Vendor.STRIPE, Vendor.PAYJP])
def till(request: pytest.FixtureRequest, vendors: Simulator) -> Till:
    return Till.at(request.param, vendors)


@pytest.fixture
def methods(till: Till) -> Methods:
    return Methods.of(till.vendor)


async def test_money_is_promised_taken_and_given_back(till: Till, methods: Methods) -> None:
    order = await till.order(methods.good)
    promised = await till.gateway.authorize(till.call(), order)
    assert (promised.state, promised.number, promised.net) == (ChargeState.AUTHORIZED, 1, 0)
    taken = await till.gateway.capture(till.call(), promised.ref, 5000)
    assert (taken.state, taken.captured) == (ChargeState.CAPTURED, 5000)
    await till.gateway.refund(till.call(), promised.ref, 1200)
    [charge] = await till.gateway.charges(till.call(), order.payer)
    assert (charge.ref, charge.captured, charge.refunded) == (promised.ref, 5000, 1200)
    assert till.moved() == [("authorize", 5000), ("capture", 5000), ("refund", 1200)]


async def test_what_is_not_taken_of_a_promise_is_let_go(till: Till, methods: Methods) -> None:
    order = await till.order(methods.good)
    promised = await till.gateway.authorize(till.call(), order)
    await till.gateway.capture(till.call(), promised.ref, 2000)
    await till.gateway.refund(till.call(), promised.ref, 500)
    [charge] = await till.gateway.charges(till.call(), order.payer)
    assert (charge.captured, charge.refunded) == (2000, 500)


async def test_a_promise_can_be_let_go(till: Till, methods: Methods) -> None:
    order = await till.order(methods.good)
    promised = await till.gateway.authorize(till.call(), order)
    await till.gateway.void(till.call(), promised.ref)
    [charge] = await till.gateway.charges(till.call(), order.payer)
    assert (charge.state, charge.has_lapsed) == (ChargeState.VOID, False)
    assert till.moved() == [("authorize", 5000), ("void", 5000)]


async def test_a_method_that_does_not_pay_is_declined_and_found_so(till: Till, methods: Methods) -> None:
    order = await till.order(methods.declined)
    with pytest.raises(DeclinedError) as declined:
        await till.gateway.authorize(till.call(), order)
    [charge] = await till.gateway.charges(till.call(), order.payer)
    assert (charge.state, charge.failure) == (ChargeState.DECLINED, declined.value.code)
    assert till.moved() == []


async def test_what_is_no_method_is_declined(till: Till) -> None:
    with pytest.raises(DeclinedError, match="invalid_method"):
        await till.gateway.authorize(till.call(), await till.order("pm_unheard_of"))


async def test_a_customer_is_asked_who_they_are_and_goes_on(till: Till, methods: Methods) -> None:
    order = await till.order(methods.challenged)
    asked = await till.gateway.authorize(till.call(), order)
    assert asked.state is ChargeState.ACTION_REQUIRED
    assert asked.action is not None
    assert asked.action["client_secret"].startswith(asked.ref)
    await till.authenticate(asked.ref)
    [charge] = await till.gateway.charges(till.call(), order.payer)
    assert charge.state is ChargeState.AUTHORIZED


async def test_after_a_lost_reply_the_same_key_does_nothing_again(till: Till, methods: Methods) -> None:
    order, call = await till.order(methods.good), till.call()
    till.behave(FaultMode.REPLY_LOST, times=1 if till.vendor is Vendor.STRIPE else 2)
    for _ in range(1 if till.vendor is Vendor.STRIPE else 2):  # PAY.JP attaches the method first
        with pytest.raises(VendorError, match="reply_lost"):
            await till.gateway.authorize(call, order)
        call = again(call)
    promised = await till.gateway.authorize(call, order)
    assert till.moved() == [("authorize", 5000)]
    till.behave(FaultMode.REPLY_LOST)
    with pytest.raises(VendorError, match="reply_lost"):
        await till.gateway.capture(call, promised.ref, 5000)
    taken = await till.gateway.capture(again(call), promised.ref, 5000)
    assert taken.captured == 5000
    assert till.moved() == [("authorize", 5000), ("capture", 5000)]


async def test_a_day_later_the_key_is_forgotten_and_the_lookup_is_not(till: Till, methods: Methods) -> None:
    order, call = await till.order(methods.good), till.call()
    await till.gateway.authorize(call, order)
    await till.pass_hours(25)
    assert await till.gateway.payer(again(till.call()), till.booking_id)
    [charge] = await till.gateway.charges(again(call), order.payer)
    assert (charge.number, charge.state) == (1, ChargeState.AUTHORIZED)
    await till.gateway.authorize(again(call), order)  # what whoever does not look does
    assert till.moved() == [("authorize", 5000)] * 2


async def test_a_promise_that_nobody_takes_up_lapses(till: Till, methods: Methods) -> None:
    order = await till.order(methods.good)
    await till.gateway.authorize(till.call(), order)
    await till.pass_hours(8 * 24)
    [charge] = await till.gateway.charges(till.call(), order.payer)
    assert (charge.state, charge.has_lapsed) == (ChargeState.VOID, True)


async def test_a_limit_names_its_pause(till: Till, methods: Methods) -> None:
    order = await till.order(methods.good)
    till.behave(FaultMode.RATE_LIMITED, seconds=7)
    with pytest.raises(VendorError) as refused:
        await till.gateway.charges(till.call(), order.payer)
    assert (refused.value.code, refused.value.permanent) == ("rate_limited", False)
    assert refused.value.retry_after == timedelta(seconds=7)


async def test_a_fault_of_the_gateway_may_pass(till: Till, methods: Methods) -> None:
    order = await till.order(methods.good)
    till.behave(FaultMode.FAILING)
    with pytest.raises(VendorError) as refused:
        await till.gateway.authorize(till.call(), order)
    assert not refused.value.permanent
    assert till.moved() == []


async def test_a_wrong_key_and_a_wrong_request_are_for_good(till: Till, methods: Methods) -> None:
    with pytest.raises(VendorError) as refused:
        await till.gateway.payer(till.call("wrong"), till.booking_id)
    assert (refused.value.code, refused.value.permanent) == ("unauthorized", True)
    promised = await till.gateway.authorize(till.call(), await till.order(methods.good))
    with pytest.raises(VendorError) as refused:
        await till.gateway.capture(till.call(), promised.ref, 9000)
    assert refused.value.permanent


@pytest.mark.parametrize(("body", "kind"), [('{"odd": true', "application/json"), ("<html>", "text/html")])
async def test_an_answer_that_cannot_be_read_may_tell_of_money(till: Till, body: str, kind: str) -> None:
    gateway = FastAPI()

    @gateway.post("/{path:path}")
    async def garbled() -> Response:
        return Response(body, media_type=kind)

    async with served(gateway) as url:
        elsewhere = replace(till, gateway=type(till.gateway)(url))  # type: ignore[call-arg]  # both take a URL
        with pytest.raises(VendorError) as unreadable:
            await elsewhere.gateway.capture(till.call(), "pi_1", 5000)
    assert (unreadable.value.code, unreadable.value.permanent) == ("unreadable_answer", False)


async def test_the_customer_need_not_be_there_when_a_promise_is_made_anew(till: Till, methods: Methods) -> None:
    first = await till.order(methods.good)
    await till.gateway.authorize(till.call(), first)
    again_later = replace(first, number=2, off_session=True)
    charge = await till.gateway.authorize(till.call(), again_later)
    assert (charge.state, charge.number) == (ChargeState.AUTHORIZED, 2)
