"""Checks of external calendars on a real Temporal, from the schedule to the API."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs
from temporalio.client import (
    Client,
    ScheduleActionExecutionStartWorkflow,
    ScheduleDescription,
    ScheduleOverlapPolicy,
    WorkflowExecutionStatus,
    WorkflowHandle,
)
from temporalio.service import RPCError
from temporalio.testing import TimeSkipper

from domain import names
from domain.external import Round, RoundsRequest
from domain.policies import Policy
from runtime import temporal
from runtime.settings import Settings
from tests.conftest import ONE_YEAR
from tests.support.api_client import ApiClient
from tests.support.applications import point_to_nowhere
from tests.support.businesses.external_calendars import TOKEN, Source, span
from tests.support.replayer import replay
from tests.support.stage import Stage, make_stage, ok, until
from worker.schedules import ensure_external_calendars, keep_schedules
from workflows.external_calendars import RefreshExternalCalendars

_ONLY_THESE_ARE_DUE = text("""
UPDATE external_sources
SET next_check_at = now() + CASE WHEN business_id = ANY(:ids) THEN interval '0' ELSE interval '1 hour' END
""")

PATH = "/v1/businesses/{}/external-source"


@pytest.fixture
async def stage(api: ApiClient, source: Source) -> Stage:
    """The source's business, with people."""
    return Stage(api, source.engine, source.tenant)


async def start_round(client: Client, *due: Source, engine: AsyncEngine) -> WorkflowHandle[Any, Round]:
    """A round for which nothing is due but these."""
    ids = [source.tenant.business_id for source in due]
    async with engine.begin() as conn:
        await conn.execute(_ONLY_THESE_ARE_DUE, {"ids": ids})
    return await client.start_workflow(
        RefreshExternalCalendars.run, id=f"round/{uuid4()}", task_queue=names.BOOKINGS_TASK_QUEUE
    )


async def the_schedule(client: Client) -> ScheduleDescription:
    """What the worker makes in the background when it starts."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await client.get_schedule_handle(names.EXTERNAL_CALENDARS_SCHEDULE).describe()
            except RPCError:
                await asyncio.sleep(0.05)


async def the_schedule_is_gone(client: Client) -> None:
    """Wait until it is."""
    async with asyncio.timeout(10):
        while [one async for one in await client.list_schedules() if one.id == names.EXTERNAL_CALENDARS_SCHEDULE]:
            await asyncio.sleep(0.05)


async def test_the_schedule_is_there_only_while_a_business_has_a_source(
    client: Client, worker: None, source: Source, engine: AsyncEngine
) -> None:
    await the_schedule(client)
    await client.get_schedule_handle(names.EXTERNAL_CALENDARS_SCHEDULE).trigger()
    async with asyncio.timeout(10):
        while not (started := (await the_schedule(client)).info.recent_actions):
            await asyncio.sleep(0.05)
    action = started[-1].action
    assert isinstance(action, ScheduleActionExecutionStartWorkflow)
    rounds = client.get_workflow_handle(action.workflow_id)
    async with engine.begin() as conn:
        await conn.execute(text("DELETE FROM external_times"))
        await conn.execute(text("DELETE FROM external_sources"))
    await the_schedule_is_gone(client)
    async with asyncio.timeout(10):
        while (await rounds.describe()).status is WorkflowExecutionStatus.RUNNING:
            await asyncio.sleep(0.05)
    await source.set_up()
    await the_schedule(client)


async def test_one_workflow_makes_the_rounds_of_an_hour(
    skipper: TimeSkipper, worker: None, source: Source
) -> None:
    await source.says({"ref": "ana", "busy": [span(1, 2)]}, token=TOKEN)
    handle = await skipper.client.start_workflow(
        RefreshExternalCalendars.run,
        RoundsRequest(every=timedelta(minutes=20), until_after=timedelta(minutes=65)),
        id=f"rounds/{uuid4()}",
        task_queue=names.BOOKINGS_TASK_QUEUE,
    )
    await until_requested(source)
    await skipper.fast_forward(handle, timedelta(minutes=90))
    assert (await handle.result()).broken == 0
    history = await handle.fetch_history()
    await replay(history)
    timers = [event for event in history.events if event.HasField("timer_fired_event_attributes")]
    assert len(timers) == 3


async def until_requested(source: Source) -> None:
    async with asyncio.timeout(10):
        while not await source.requests():
            await asyncio.sleep(0.01)


async def test_a_source_that_is_set_is_asked_in_the_next_round_and_shows_fresh(
    client: Client, stage: Stage, source: Source
) -> None:
    await source.remove()
    await source.says({"ref": "ana", "busy": [span(1, 2)]}, token=TOKEN)
    path, owner = PATH.format(source.tenant.slug), stage.as_("owner")
    body = {"url": f"{source.base_url}/calendars/{source.name}", "token": TOKEN}
    assert ok(await owner.send("PUT", path, body))["state"] == "waiting"
    await the_schedule(client)
    handle = client.get_schedule_handle(names.EXTERNAL_CALENDARS_SCHEDULE)
    await handle.trigger(overlap=ScheduleOverlapPolicy.ALLOW_ALL)
    seen = await until(lambda: owner.get(path), lambda seen: seen["state"] == "fresh")
    assert seen["error"] is None
    assert seen["age_seconds"] <= 5
    assert await source.times() == [("ana", "busy", 1, 2)]


async def test_a_round_s_history_replays_and_holds_ids_alone(client: Client, worker: None, source: Source) -> None:
    await source.says({"ref": "ana", "busy": [span(1, 2)]}, token=TOKEN)
    handle = await start_round(client, source, engine=source.engine)
    assert await handle.result() == Round(due=1)
    assert (await source.row())["error"] is None
    history = await handle.fetch_history()
    await replay(history)
    text = history.to_json()
    assert TOKEN not in text
    assert source.base_url not in text


async def test_a_source_that_hangs_holds_up_no_other_and_no_booking(
    client: Client, api: ApiClient, stage: Stage, source: Source
) -> None:
    other_stage = await make_stage(api, source.engine, Policy())
    other = Source(source.engine, other_stage.tenant, source.vendor, source.base_url, source.secrets)
    await other.says({"ref": "ana", "busy": [span(1, 2)]})
    await other.set_up()
    await source.behaves(mode="hang")
    handle = await start_round(client, source, other, engine=source.engine)
    async with asyncio.timeout(10):
        while not (await source.waiting() and await other.times()):
            await asyncio.sleep(0.01)
    assert (await other.row())["error"] is None
    booking = await other_stage.book()
    await other_stage.settled(booking, "assigned")
    assert await source.waiting() == 1
    await source.behaves(mode="well")
    await handle.result()
    assert (await source.row())["error"] is None


async def test_a_round_that_finds_nothing_due_is_one_task(
    client: Client, worker: None, engine: AsyncEngine
) -> None:
    handle = await start_round(client, engine=engine)
    assert await handle.result() == Round(due=0)
    assert len((await handle.fetch_history()).events) == 6


async def test_the_schedule_follows_the_setting_and_stays_paused(
    client: Client, worker: None, settings: Settings, source: Source
) -> None:
    await the_schedule(client)
    handle = client.get_schedule_handle(names.EXTERNAL_CALENDARS_SCHEDULE)
    await handle.pause(note="by an admin")
    try:
        await ensure_external_calendars(
            client, settings.model_copy(update={"external_check_seconds": ONE_YEAR * 2})
        )
        found = (await handle.describe()).schedule
        assert found.state.paused
        assert found.state.note == "by an admin"
        assert [spec.every.total_seconds() for spec in found.spec.intervals] == [ONE_YEAR * 2]
        assert found.policy.overlap is ScheduleOverlapPolicy.SKIP
    finally:
        await handle.unpause()
        await ensure_external_calendars(client, settings)


async def test_a_temporal_that_is_away_is_said_and_tried_again(
    settings: Settings, engine: AsyncEngine, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_to_nowhere(monkeypatch)
    away = await temporal.connect(lazy=True, retry_for=timedelta(milliseconds=10))
    with capture_logs() as logs:
        keeping = asyncio.create_task(keep_schedules(away, engine, settings))
        async with asyncio.timeout(10):
            while not logs:
                await asyncio.sleep(0.01)
        assert not keeping.done()
        keeping.cancel()
    assert {log["event"] for log in logs} == {"schedules_not_kept"}
