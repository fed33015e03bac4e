"""Common to every effect: it is claimed and executed, and its result is recorded."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.effects import Done, EffectRunner
from activities.vendor_calls import Call
from db.models import Effect
from db.repositories import effect_attempts, effect_planning, effects, integrations
from db.repositories.effect_attempts import Claimed
from db.repositories.integrations import NewIntegration
from domain.effect_retries import ANALYTICS
from domain.effects import EffectKind, EffectRef, ObsoleteError, Planned, Port, Vendor, VendorError
from runtime.json import to_json_text
from runtime.secrets import Secrets
from runtime.settings import Settings
from tests.support.factories import Tenant


@dataclass(frozen=True, slots=True)
class Rig:
    """One effect with GA4 that is due, and a runner."""

    engine: AsyncEngine
    secrets: Secrets
    runner: EffectRunner
    ref: EffectRef

    async def run(self, perform: Any) -> str:
        state: str = await ActivityEnvironment().run(self.runner.run, self.ref, perform)
        return state

    async def set(self, **columns: Any) -> None:
        """Change columns of its row."""
        async with self.engine.begin() as conn:
            await conn.execute(update(Effect).where(Effect.id == self.ref.effect_id).values(**columns))

    def leased_for(self, seconds: float) -> "Rig":
        """The same with leases that last so long."""
        runner = EffectRunner(self.engine, self.secrets, lease=timedelta(seconds=seconds))
        return replace(self, runner=runner)

    async def lease_until(self) -> datetime:
        """When the lease of the attempt under way lapses."""
        query = select(Effect.lease_until).where(Effect.id == self.ref.effect_id)
        async with self.engine.connect() as conn:
            lapses = (await conn.execute(query)).scalar_one()
        assert lapses is not None
        return lapses

    async def row(self) -> Mapping[str, Any]:
        async with self.engine.connect() as conn:
            found = await effects.find(conn, self.ref.business_id, self.ref.effect_id)
        assert found is not None
        return found


@pytest.fixture
async def rig(engine: AsyncEngine, settings: Settings, tenant: Tenant) -> Rig:
    secrets = Secrets(settings.secrets_key)
    async with engine.begin() as conn:
        await integrations.save(
            conn,
            tenant.business_id,
            NewIntegration(
                port=Port.ANALYTICS,
                vendor=Vendor.GA4,
                settings={"measurement_id": "G-1"},
                secrets_encrypted=secrets.encrypt(to_json_text({"api_secret": "hush"})),
                keep_secrets=False,
            ),
        )
        kind = EffectKind.REPORT_CONVERSION
        one = Planned(kind=kind, port=Port.ANALYTICS, key="x")
        for _ in range(2):
            await effect_planning.plan(conn, tenant.business_id, None, [one])
        [planned] = await effects.list_page(conn, tenant.business_id, limit=10)
    ref = EffectRef(effect_id=UUID(str(planned["id"])), business_id=tenant.business_id, round=1)
    return Rig(engine, secrets, EffectRunner(engine, secrets), ref)


async def test_it_is_asked_with_its_account_and_its_constant_key_and_is_done_once(rig: Rig) -> None:
    calls: list[Call] = []

    async def perform(_claimed: Claimed, call: Call) -> Done:
        calls.append(call)
        return Done(vendor_ref="v1")

    assert await rig.run(perform) == "done"
    assert await rig.run(perform) == "nothing_to_do"  # handed over twice: there is nothing left to attempt
    [call] = calls
    assert call.account.settings == {"measurement_id": "G-1"}
    assert call.account.secrets == {"api_secret": "hush"}
    assert call.key == "x/ga4"
    assert not call.may_have_happened
    row = await rig.row()
    assert (row["state"], row["vendor_ref"], row["attempts"]) == ("done", "v1", 1)


async def test_a_failure_that_may_pass_is_tried_again_no_sooner_than_the_vendor_asks(rig: Rig) -> None:
    async def perform(_claimed: Claimed, _call: Call) -> Done:
        raise VendorError("rate_limited", retry_after=timedelta(minutes=7))

    with pytest.raises(ApplicationError) as failed:
        await rig.run(perform)
    assert not failed.value.non_retryable
    assert failed.value.next_retry_delay is not None
    assert failed.value.next_retry_delay >= timedelta(minutes=7)
    row = await rig.row()
    assert (row["state"], row["last_error"]) == ("retrying", "rate_limited")
    assert row["next_attempt_at"] > datetime.now(UTC) + timedelta(minutes=6)


async def test_a_failure_for_good_is_not_tried_again_until_somebody_says_so(rig: Rig) -> None:
    async def refused(_claimed: Claimed, _call: Call) -> Done:
        raise VendorError("unauthorized", permanent=True)

    with pytest.raises(ApplicationError) as failed:
        await rig.run(refused)
    assert failed.value.non_retryable
    assert (await rig.row())["state"] == "failed"
    async with rig.engine.begin() as conn:
        assert await effects.retry(conn, rig.ref.business_id, rig.ref.effect_id) is not None
    assert (await rig.row())["state"] == "pending"
    assert await rig.run(refused) == "nothing_to_do"  # of the round before: nobody waits for it any more


async def test_the_last_attempt_of_its_profile_gives_up(rig: Rig) -> None:
    async def perform(_claimed: Claimed, _call: Call) -> Done:
        raise VendorError("http_503")

    await rig.set(tries=len(ANALYTICS.waits))
    with pytest.raises(ApplicationError) as failed:
        await rig.run(perform)
    assert failed.value.non_retryable
    assert (await rig.row())["state"] == "failed"


async def test_one_whose_every_attempt_ended_with_its_worker_is_not_begun_for_ever(rig: Rig) -> None:
    async def perform(_claimed: Claimed, _call: Call) -> Done:
        raise AssertionError("it may be what kills them")

    await rig.set(tries=len(ANALYTICS.waits) + 1, state="running")
    with pytest.raises(ApplicationError):
        await rig.run(perform)
    row = await rig.row()
    assert (row["state"], row["last_error"]) == ("failed", "gave_up")


async def test_a_business_has_so_many_under_way_with_a_vendor_and_no_more(rig: Rig) -> None:
    async def perform(_claimed: Claimed, _call: Call) -> Done:
        return Done()

    async with rig.engine.begin() as conn:
        kind = EffectKind.REPORT_CONVERSION
        hanging = [
            Planned(kind=kind, port=Port.ANALYTICS, key=str(number)) for number in range(effect_attempts.AT_ONCE)
        ]
        await effect_planning.plan(conn, rig.ref.business_id, None, hanging)
        others = (Effect.business_id == rig.ref.business_id, Effect.id != rig.ref.effect_id)
        await conn.execute(update(Effect).where(*others).values(state="running"))
    assert await rig.run(perform) == "nothing_to_do"
    row = await rig.row()
    assert (row["state"], row["handed_at"], row["attempts"]) == ("pending", None, 0)
    async with rig.engine.begin() as conn:
        await conn.execute(update(Effect).where(*others).values(state="done"))
        own = update(Effect).where(Effect.id == rig.ref.effect_id)  # out of the relay's sight
        await conn.execute(own.values(handed_at=func.now()))
    again = rig.ref.model_copy(update={"round": 2})
    assert await ActivityEnvironment().run(rig.runner.run, again, perform) == "done"


async def test_what_was_skipped_is_not_attempted_and_what_has_lapsed_says_why(rig: Rig) -> None:
    async def lapsed(_claimed: Claimed, _call: Call) -> Done:
        raise ObsoleteError("no_consent")

    assert await rig.run(lapsed) == "obsolete"
    assert (await rig.row())["last_error"] == "no_consent"
    async with rig.engine.begin() as conn:
        assert await effects.skip(conn, rig.ref.business_id, rig.ref.effect_id) is None


async def test_while_an_attempt_is_under_way_another_comes_back_when_its_lease_would_lapse(rig: Rig) -> None:
    async def perform(_claimed: Claimed, _call: Call) -> Done:
        with pytest.raises(ApplicationError, match="not_due") as refused:
            await rig.run(too_early)  # Temporal missed a sign of life, and has it attempted again
        assert refused.value.next_retry_delay is not None
        assert timedelta(seconds=20) < refused.value.next_retry_delay <= timedelta(seconds=30)
        return Done()

    async def too_early(_claimed: Claimed, _call: Call) -> Done:
        raise AssertionError("two at once")

    assert await rig.run(perform) == "done"
    assert (await rig.row())["attempts"] == 1


async def test_an_attempt_that_lasts_keeps_others_from_beginning(rig: Rig) -> None:
    async def perform(_claimed: Claimed, call: Call) -> Done:
        first = await rig.lease_until()
        while await rig.lease_until() < first + timedelta(seconds=1.5):  # a lease lasts one
            await asyncio.sleep(0.05)
        with pytest.raises(ApplicationError, match="not_due"):
            await rig.run(perform)
        before = await rig.lease_until()
        await call.confirm()
        assert await rig.lease_until() > before
        return Done()

    assert await rig.leased_for(1).run(perform) == "done"


async def test_an_attempt_that_lost_its_lease_changes_nothing_any_more(rig: Rig) -> None:
    async def perform(_claimed: Claimed, call: Call) -> Done:
        await rig.set(lease_until=datetime.now(UTC))  # as if it had been stopped for so long
        assert await rig.run(meanwhile) == "done"
        await call.confirm()
        raise AssertionError("it changes something")

    async def meanwhile(_claimed: Claimed, call: Call) -> Done:
        assert call.may_have_happened
        return Done(vendor_ref="v2")

    with pytest.raises(ApplicationError, match="lease_lost") as lost:
        await rig.run(perform)
    assert not lost.value.non_retryable
    row = await rig.row()
    assert (row["state"], row["vendor_ref"], row["attempts"]) == ("done", "v2", 2)


async def test_a_lease_that_has_lapsed_is_lost_even_if_nobody_has_taken_it(rig: Rig) -> None:
    async def perform(_claimed: Claimed, call: Call) -> Done:
        await rig.set(lease_until=datetime.now(UTC))
        await call.confirm()
        raise AssertionError("another may begin at any moment")

    async def again(_claimed: Claimed, call: Call) -> Done:
        await call.confirm()
        return Done()

    with pytest.raises(ApplicationError, match="lease_lost"):
        await rig.run(perform)
    assert await rig.run(again) == "done"


async def test_an_attempt_that_waits_for_its_vendor_is_cancelled_when_its_lease_is_lost(rig: Rig) -> None:
    async def perform(_claimed: Claimed, _call: Call) -> Done:
        await rig.set(lease_until=datetime.now(UTC) - timedelta(seconds=1))
        await asyncio.Event().wait()
        raise AssertionError("it went on")

    async with asyncio.timeout(10):
        with pytest.raises(ApplicationError, match="lease_lost"):
            await rig.leased_for(1).run(perform)


async def test_an_attempt_that_the_version_before_began_keeps_others_away_for_a_minute(rig: Rig) -> None:
    async def perform(_claimed: Claimed, _call: Call) -> Done:
        return Done()

    began = datetime.now(UTC) - timedelta(seconds=50)
    await rig.set(state="running", attempts=1, tries=1, first_attempt_at=began, last_attempt_at=began)
    with pytest.raises(ApplicationError, match="not_due"):
        await rig.run(perform)
    await rig.set(last_attempt_at=began - timedelta(seconds=11))
    assert await rig.run(perform) == "done"


async def test_of_two_attempts_at_once_the_later_one_counts(rig: Rig) -> None:
    stored: list[str] = []

    async def perform(_claimed: Claimed, _call: Call) -> Done:
        async def write(_conn: Any) -> None:
            stored.append("outer")

        await rig.set(lease_until=datetime.now(UTC))
        assert await rig.run(inner) == "done"  # no sign of life was heard of the outer one, which still goes on
        return Done(vendor_ref="outer", write=write)

    async def inner(_claimed: Claimed, call: Call) -> Done:
        assert call.may_have_happened
        return Done(vendor_ref="inner")

    await rig.run(perform)
    row = await rig.row()
    assert (row["state"], row["vendor_ref"], row["attempts"], stored) == ("done", "inner", 2, [])


async def test_one_whose_worker_was_killed_after_it_failed_waits_as_long_as_it_said(rig: Rig) -> None:
    async def perform(_claimed: Claimed, _call: Call) -> Done:
        raise AssertionError("too early")

    await rig.set(state="retrying", next_attempt_at=datetime.now(UTC) + timedelta(minutes=5))
    with pytest.raises(ApplicationError, match="not_due") as failed:
        await rig.run(perform)
    assert failed.value.next_retry_delay is not None
    assert timedelta(minutes=4) < failed.value.next_retry_delay <= timedelta(minutes=5)


async def test_what_breaks_as_the_end_is_written_is_told_without_its_text(rig: Rig) -> None:
    async def perform(_claimed: Claimed, _call: Call) -> Done:
        async def write(_conn: Any) -> None:
            raise ValueError("somebody@example.com")

        return Done(write=write)

    with pytest.raises(ApplicationError) as failed:
        await rig.run(perform)
    assert (failed.value.message, failed.value.__cause__) == ("internal_error", None)
    assert (await rig.row())["state"] == "running"


async def test_what_else_is_stored_is_stored_with_the_end_or_not_at_all(rig: Rig) -> None:
    async def perform(_claimed: Claimed, _call: Call) -> Done:
        async def write(_conn: Any) -> None:
            raise asyncio.CancelledError

        return Done(write=write)

    with pytest.raises(asyncio.CancelledError):
        await rig.run(perform)
    assert (await rig.row())["state"] == "running"
