"""One check of an external calendar: its times are stored, and failures do no harm."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from dev.ports import LOOPBACK, free_port
from runtime.secrets import Secrets, new_key
from tests.support.businesses.external_calendars import TOKEN, Source, hour, span
from tests.support.factories import make_tenant

ANA = {"ref": "ana", "busy": [span(1, 2), span(1.5, 3)], "open": [span(0, 8)]}
KEPT = [("ana", "busy", 1, 3), ("ana", "open", 0, 8)]


async def until_requested(source: Source) -> None:
    """Wait until somebody waits for the vendor's answer."""
    async with asyncio.timeout(10):
        while not await source.waiting():
            await asyncio.sleep(0.005)


async def test_busy_and_open_time_is_kept_by_the_provider_s_code(source: Source) -> None:
    unknown = {"ref": "somebody-else", "busy": [span(1, 2)]}
    await source.says(ANA, {"ref": "ben", "busy": [span(4, 5)]}, unknown, token=TOKEN)
    with capture_logs() as logs:
        assert await source.check() == "refreshed"
    assert await source.times() == [*KEPT, ("ben", "busy", 4, 5)]
    row = await source.row()
    assert row["error"] == "unknown_providers"
    assert datetime.now(UTC) - row["as_of"] < timedelta(seconds=5)
    assert datetime.now(UTC) - row["checked_at"] < timedelta(seconds=5)
    assert [(log["event"], log["count"]) for log in logs] == [("external_calendar_names_unknown_providers", 1)]


async def test_it_is_asked_for_its_horizon_with_its_token_in_json(source: Source) -> None:
    await source.set_up(url=f"{source.base_url}/calendars/{source.name}?tenant=7", horizon_days=10)
    assert await source.check() == "refreshed"
    (request,) = await source.requests()
    assert request["accept"] == "application/json"
    assert request["authorized"]
    assert request["query"]["tenant"] == "7"
    from_, to = (datetime.fromisoformat(request["query"][name]) for name in ("from", "to"))
    assert to - from_ == timedelta(days=10)
    assert abs(datetime.now(UTC) - from_) < timedelta(seconds=5)


async def test_a_source_without_a_token_is_asked_without_one(source: Source) -> None:
    await source.set_up(token_encrypted=None)
    assert await source.check() == "refreshed"
    assert [request["authorized"] for request in await source.requests()] == [False]


async def test_a_newer_answer_replaces_the_one_before_and_what_is_the_same_is_not_written_again(
    source: Source,
) -> None:
    await source.says({"ref": "ana", "busy": [span(1, 2), span(3, 4), span(5, 6)]})
    assert await source.check() == "refreshed"
    before = await source.versions()
    await source.says({"ref": "ana", "busy": [span(1, 2), span(5, 7), span(8, 9)]})
    assert await source.check() == "refreshed"
    assert await source.times() == [("ana", "busy", 1, 2), ("ana", "busy", 5, 7), ("ana", "busy", 8, 9)]
    after = await source.versions()
    same = datetime.fromisoformat(hour(1))
    assert after[same] == before[same]
    await source.says()
    assert await source.check() == "refreshed"
    assert await source.times() == []


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        ({"mode": "status", "status": 500}, "http_500"),
        ({"mode": "status", "status": 429}, "http_429"),
        ({"mode": "status", "status": 401}, "unauthorized"),
        ({"mode": "redirect", "location": "http://169.254.169.254/"}, "http_302"),
        ({"mode": "garbage"}, "unreadable"),
        ({"mode": "half"}, "cut_off"),
        ({"mode": "late", "seconds": 60}, "timeout"),
        ({"mode": "hang"}, "timeout"),
    ],
    ids=lambda value: value.get("mode") if isinstance(value, dict) else None,
)
async def test_a_source_that_fails_leaves_what_is_known_and_says_why(
    source: Source, behaviour: dict[str, Any], code: str
) -> None:
    await source.says(ANA, token=TOKEN)
    assert await source.check() == "refreshed"
    known = await source.row()
    source.adapter["timeout_seconds"] = 0.2
    await source.behaves(**behaviour)
    with capture_logs() as logs:
        assert await source.check() == code
    assert await source.times() == KEPT
    row = await source.row()
    assert (row["error"], row["as_of"]) == (code, known["as_of"])
    assert row["checked_at"] > known["checked_at"]
    # The worker of the session logs as well, in this very process.
    assert [log["error"] for log in logs if log["event"] == "external_calendar_failed"] == [code]
    assert TOKEN not in str(logs)
    assert source.base_url not in str(logs)
    await source.behaves(mode="well")
    source.adapter["timeout_seconds"] = 5.0
    assert await source.check() == "refreshed"
    assert (await source.row())["error"] is None


async def test_an_answer_that_is_no_newer_changes_nothing_and_lets_the_data_grow_old(source: Source) -> None:
    await source.says(ANA)
    stands_still = datetime.now(UTC) - timedelta(minutes=20)
    await source.behaves(mode="stale", as_of=stands_still)
    assert await source.check() == "refreshed"
    await source.says({"ref": "ana", "busy": [span(5, 6)]})
    assert await source.check() == "unchanged"
    assert await source.times() == KEPT
    row = await source.row()
    assert (row["as_of"], row["error"]) == (stands_still, None)


async def test_a_source_whose_clock_is_fast_can_still_bring_something_newer(source: Source) -> None:
    await source.behaves(mode="stale", as_of=datetime.now(UTC) + timedelta(days=365))
    assert await source.check() == "refreshed"
    assert (await source.row())["as_of"] <= datetime.now(UTC)
    await source.says(ANA)
    assert await source.check() == "refreshed"
    assert await source.times() == KEPT


async def test_an_answer_beyond_the_limit_is_not_read(source: Source) -> None:
    await source.says(ANA)
    source.adapter["max_bytes"] = 100
    assert await source.check() == "too_large"


async def test_nobody_there(source: Source) -> None:
    await source.set_up(url=f"http://{LOOPBACK}:{free_port()}/")
    assert await source.check() == "unreachable"
    source.adapter["allow_loopback"] = False
    await source.set_up(url="https://nobody.invalid/")
    assert await source.check() == "unreachable"


async def test_our_own_network_is_not_called(source: Source) -> None:
    source.adapter["allow_loopback"] = False
    assert await source.check() == "address_refused"
    port = source.base_url.rpartition(":")[2]
    for host in ("localhost", "127.1", "2130706433", "0x7f000001"):
        await source.set_up(url=f"https://{host}:{port}/")
        assert await source.check() == "address_refused"
    assert await source.requests() == []


async def test_a_token_of_another_key_is_not_sent(source: Source) -> None:
    other = Secrets(SecretStr(new_key()))
    await source.set_up(token_encrypted=other.encrypt(TOKEN))
    assert await source.check() == "token_unreadable"
    assert await source.requests() == []


async def test_of_two_checks_at_once_one_asks_and_the_next_is_due_after_the_interval(source: Source) -> None:
    outcomes = await asyncio.gather(*(source.check_if_due() for _ in range(3)))
    assert sorted(outcomes) == ["not_due", "not_due", "refreshed"]
    assert await source.check_if_due() == "not_due"
    assert len(await source.requests()) == 1


@pytest.mark.parametrize(
    ("late", "next_in"),
    [(0, 60), (4, 56), (65, 55), (3_600 * 24, 60), (50, 30), (119, 30)],
    ids=["on time", "late", "a beat late", "a day late", "so late that the next beat is near", "later still"],
)
async def test_a_source_keeps_its_beat_however_late_it_is_asked(source: Source, late: int, next_in: int) -> None:
    await source.sql("UPDATE external_sources SET next_check_at = now() - make_interval(secs => :late)", late=late)
    await source.check_if_due()
    found = await source.sql("SELECT extract(epoch FROM next_check_at - now()) FROM external_sources")
    assert abs(float(found[0][0]) - next_in) < 2


@pytest.mark.parametrize("change", ["replaced", "removed"])
async def test_an_answer_of_a_source_that_has_gone_meanwhile_is_dropped(source: Source, change: str) -> None:
    await source.says(ANA)
    await source.behaves(mode="hang")
    check = asyncio.create_task(source.check())
    await until_requested(source)
    if change == "replaced":
        await source.set_up(url=f"{source.base_url}/calendars/another")
    else:
        await source.remove()
    await source.behaves(mode="well")
    assert await check == "superseded"
    assert await source.times() == []
    if change == "replaced":
        assert (await source.row())["as_of"] is None


async def test_providers_of_another_business_are_not_touched(source: Source) -> None:
    await make_tenant(source.engine, providers={"olga": 5.0})
    await source.says(ANA, {"ref": "olga", "busy": [span(1, 2)]})
    assert await source.check() == "refreshed"
    assert await source.times() == KEPT
