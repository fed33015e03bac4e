"""Unavailable servers: what still works, how the rest is refused, and how it recovers."""

import asyncio
from itertools import islice
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from dev.stack import Stack
from domain.names import booking_workflow_id
from tests.support.e2e.invariants import assert_consistent
from tests.support.e2e.retrying_client import RetryingClient, half_hours


async def test_bookings_are_taken_while_temporal_is_down_and_go_on_when_it_is_back(
    stack: Stack, stack_engine: AsyncEngine, demo: RetryingClient
) -> None:
    starts = list(islice(half_hours(180), 20))
    await stack.stop_process("temporal")
    try:
        answers = [await demo.book(start, service="estimate", key=str(uuid4())) for start in starts]
        assert {answer.status_code for answer in answers} == {201}
        ids = [answer.json()["id"] for answer in answers]
        assert (await demo.call("customer", "GET", f"/v1/bookings/{ids[0]}/next")).status_code == 200
        refused = await demo.call("customer", "POST", f"/v1/bookings/{ids[0]}/cancel", json={})
        assert (refused.status_code, refused.json()["code"]) == (503, "engine_unavailable")
        assert int(refused.headers["Retry-After"]) > 0
    finally:
        await stack.start_process("temporal")
    for booking_id in ids:
        await demo.until_assigned(booking_id)
    await assert_consistent(stack_engine, ids)


async def test_without_postgresql_every_answer_is_a_503_that_says_so_and_the_next_is_fine(
    stack: Stack, demo: RetryingClient
) -> None:
    (start,) = islice(half_hours(210), 1)
    await stack.stop_process("postgres")
    try:
        for method, path in (("GET", "/v1/bookings"), ("GET", "/v1/businesses/demo-garage")):
            answer = await demo.call("customer", method, path)
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            assert "Traceback" not in answer.text
        assert (await demo.call("customer", "GET", "/livez")).status_code == 200
        assert (await demo.call("customer", "GET", "/readyz")).json()["checks"]["database"] == "unavailable"
    finally:
        await stack.start_process("postgres")
    created = await demo.book(start, service="estimate", key=str(uuid4()))
    assert created.status_code == 201
    await demo.until_assigned(created.json()["id"])


async def test_a_command_waits_for_a_worker_that_comes_back(stack: Stack, demo: RetryingClient) -> None:
    (start,) = islice(half_hours(240), 1)
    created = await demo.book(start, service="estimate", key=str(uuid4()))
    booking_id = created.json()["id"]
    provider = await demo.until_assigned(booking_id)
    await stack.process("worker").kill()
    answer = await demo.command(provider, booking_id, "accept", key="once")
    assert answer.status_code == 200
    assert (await demo.booking(booking_id))["version"] == 3


async def test_a_worker_stops_when_told_to_although_a_step_of_its_cannot_be_written(
    stack: Stack, demo: RetryingClient
) -> None:
    (start,) = islice(half_hours(270), 1)
    created = await demo.book(start, service="estimate", key=str(uuid4()))
    booking_id = created.json()["id"]
    await demo.until_assigned(booking_id)
    client = await Client.connect(stack.temporal_address)
    ended = asyncio.create_task(stack.process("worker").wait())
    await stack.stop_process("postgres")
    try:
        await client.get_workflow_handle(booking_workflow_id(booking_id)).signal("accept")
        await stack.stop_process("worker")
    finally:
        await stack.start_process("postgres")
        await stack.start_process("worker")
    assert await ended == 0
    await demo.until(booking_id, lambda booking: booking["status"] == "accepted")


async def test_a_demo_user_meets_the_promised_first_page(stack: Stack) -> None:
    async with httpx.AsyncClient(base_url=stack.api_url) as http:
        docs = await http.get("/docs")
        assert docs.status_code == 200
        assert (await http.get("/openapi.json")).json()["openapi"].startswith("3.1")


pytestmark = pytest.mark.timeout(180)
