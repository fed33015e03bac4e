"""Webhooks to a verifying receiver: delivered once, signed by the standard, and given up in time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.adapters.webhook import HttpWebhookSender
from activities.effects import EffectRunner
from activities.ports import WebhookRequest
from activities.webhooks import WebhookActivities
from db.models import Effect
from dev.ports import LOOPBACK, free_port
from dev.vendors.fault_modes import Behaviour, FaultMode
from dev.vendors.ledger import Entry
from domain.effect_retries import WEBHOOK
from domain.effects import EffectRef, VendorError
from runtime.ids import new_id
from runtime.secrets import Secrets
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.simulator import Simulator
from tests.support.stage import Json, Stage, make_stage, ok, patch, problem, until
from tests.support.vendors.mails import a_call

RECEIVER = "webhook_receiver"
BODY = b"{}"


@dataclass
class Hook:
    """An endpoint of a business's own at the simulated receiver."""

    stage: Stage
    simulator: Simulator
    account: str
    endpoint: Json

    @property
    def root(self) -> str:
        return f"/v1/businesses/{self.stage.tenant.slug}/webhook-endpoints/{self.endpoint['id']}"

    @property
    def taken(self) -> list[Entry]:
        return self.simulator.ledger.entries(RECEIVER, account=self.account, action="webhook")

    async def expects(self, secret: str) -> None:
        """Have the receiver check signatures by this secret."""
        async with httpx.AsyncClient(base_url=self.simulator.url) as http:
            answer = await http.put(f"/{RECEIVER}/secrets/{self.account}", json={"secret": secret})
        assert answer.status_code == 204

    def behave(self, **behaviour: Any) -> None:
        self.simulator.vendors.by_name[RECEIVER].fault_modes.set(Behaviour(**behaviour), self.account)

    async def post(self, action: str, body: Any = None, status: int = 200) -> Json:
        return ok(await self.stage.as_("owner").post(f"{self.root}/{action}", body), status)

    async def deliveries(self, holds: Callable[[list[Json]], bool], **filters: Any) -> list[Json]:
        """The deliveries, the newest first, once they are as they should be."""

        def look() -> Awaitable[httpx.Response]:
            return self.stage.as_("owner").get(f"{self.root}/deliveries", **filters)

        found: list[Json] = (await until(look, lambda page: holds(page["items"])))["items"]
        return found

    async def tried_out(self, state: str) -> Json:
        """A trial delivery once it has come to this state."""
        planned = await self.post("test", status=202)
        [found] = await self.deliveries(
            lambda all_: all_[0]["id"] == planned["id"] and all_[0]["state"] == state, limit=1
        )
        return found


@pytest.fixture
async def hook(api: ApiClient, engine: AsyncEngine, vendors: Simulator) -> Hook:
    stage, account = await make_stage(api, engine), new_id().hex
    url = f"{vendors.url}/{RECEIVER}/hooks/{account}"
    path = f"/v1/businesses/{stage.tenant.slug}/webhook-endpoints"
    wanted = {"url": url, "event_types": ["scheduling.booking.*"]}
    made = Hook(stage, vendors, account, ok(await stage.as_("owner").post(path, wanted), 201))
    await made.expects(made.endpoint["secret"])
    return made


def are(state: str, count: int) -> Callable[[list[Json]], bool]:
    return lambda items: [item["state"] for item in items] == [state] * count


async def test_a_bookings_events_are_delivered_as_they_are_in_the_stream(hook: Hook) -> None:
    booking = await hook.stage.book()
    await hook.stage.settled(booking, "assigned")
    deliveries = await hook.deliveries(are("done", 2))
    stream = ok(await hook.stage.as_("owner").get("/v1/events", types="scheduling.booking.*"))["items"]
    assert {entry.key for entry in hook.taken} == {event["id"] for event in stream}
    assert {item["event_id"] for item in deliveries} == {event["id"] for event in stream}
    for entry in hook.taken:
        [event] = [event for event in stream if event["id"] == entry.key]
        assert entry.applied
        assert entry.detail["signatures"] == 1
        assert {name: event[name] for name in ("type", "subject", "sequence", "data")} == {
            name: entry.detail[name] for name in ("type", "subject", "sequence", "data")
        }
    jobs = ok(await hook.stage.as_("owner").get(f"/v1/bookings/{booking['id']}/jobs"))["items"]
    assert [job["kind"] for job in jobs if job["vendor"] == "webhook"] == ["deliver_webhook"] * 2


async def test_a_lost_answer_leads_to_one_event_taken_twice_under_one_id(hook: Hook) -> None:
    hook.behave(mode=FaultMode.REPLY_LOST, times=1)
    lost = await hook.tried_out("retrying")
    assert lost["last_error"] == "reply_lost"
    assert lost["next_attempt_at"] > lost["last_attempt_at"]
    await hook.post(f"deliveries/{lost['id']}/retry")
    [done] = await hook.deliveries(are("done", 1))
    assert (done["attempts"], done["event_type"]) == (2, "webhook.test")
    assert [(entry.key, entry.applied) for entry in hook.taken] == [
        (done["event_id"], True),
        (done["event_id"], False),
    ]
    again = await hook.stage.as_("owner").post(f"{hook.root}/deliveries/{done['id']}/retry")
    problem(again, 409, "job_not_repairable")


async def test_former_secrets_sign_beside_the_new_one_until_they_are_dropped(hook: Hook) -> None:
    newer = (await hook.post("rotate-secret"))["secret"]
    await hook.tried_out("done")  # the receiver has not heard of the rotation yet
    await hook.post("rotate-secret", {"former_valid_hours": 48})  # as if the first answer had been lost
    await hook.tried_out("done")
    await hook.expects(newer)
    await hook.tried_out("done")
    assert [entry.detail["signatures"] for entry in hook.taken] == [2, 3, 3]
    last = await hook.post("rotate-secret", {"former_valid_hours": 0})
    assert last["former_secret_until"] is None
    refused = await hook.tried_out("retrying")
    assert refused["last_error"] == "http_401"
    await hook.expects(last["secret"])
    await hook.tried_out("done")
    assert hook.taken[-1].detail["signatures"] == 1


async def test_an_endpoint_that_is_gone_is_disabled_and_what_it_missed_can_be_replayed(hook: Hook) -> None:
    hook.behave(mode=FaultMode.FAILING, status=503, times=1)
    waiting = await hook.tried_out("retrying")
    hook.behave(mode=FaultMode.FAILING, status=410)
    gone = await hook.tried_out("failed")
    assert gone["last_error"] == "gone"
    [_, open_one] = await hook.deliveries(are("failed", 2))
    assert (open_one["id"], open_one["last_error"]) == (waiting["id"], "endpoint_disabled")
    endpoint = ok(await hook.stage.as_("owner").get(hook.root))
    assert (endpoint["state"], endpoint["disabled_reason"]) == ("disabled", "gone")
    await hook.stage.settled(await hook.stage.book(), "assigned")  # of which it is not told any more
    await until(
        lambda: hook.stage.as_("owner").get("/v1/events", types="scheduling.booking.*"),
        lambda page: len(page["items"]) == 2,
    )
    hook.behave()
    ok(await patch(hook.stage.as_("owner"), hook.root, {"state": "enabled"}))
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    nothing = ok(
        await hook.stage.as_("owner").send("POST", f"{hook.root}/replay?since={later.replace('+', '%2B')}")
    )
    assert nothing == {"replayed": 0, "is_all": True}
    assert await hook.post("replay") == {"replayed": 2, "is_all": True}
    await hook.deliveries(are("done", 2))
    assert [entry.applied for entry in hook.taken] == [True, True]


async def test_what_is_open_ends_with_the_deletion_of_its_endpoint(hook: Hook) -> None:
    hook.behave(mode=FaultMode.FAILING)
    waiting = await hook.tried_out("retrying")
    assert waiting["last_error"] == "http_500"
    assert (await hook.stage.as_("owner").send("DELETE", hook.root)).status_code == 204
    async with hook.stage.engine.connect() as conn:
        query = text("SELECT state, last_error FROM effects WHERE id = :id")
        assert tuple((await conn.execute(query, {"id": waiting["id"]})).one()) == ("obsolete", "endpoint_deleted")


async def test_pages_of_deliveries_follow_each_other(hook: Hook) -> None:
    made = [await hook.tried_out("done") for _ in range(3)]
    first = ok(await hook.stage.as_("owner").get(f"{hook.root}/deliveries", limit=2))
    rest = ok(await hook.stage.as_("owner").get(f"{hook.root}/deliveries", limit=2, cursor=first["next_cursor"]))
    ids = [item["id"] for item in [*first["items"], *rest["items"]]]
    assert ids == [item["id"] for item in reversed(made)]
    assert rest["next_cursor"] is None
    assert ok(await hook.stage.as_("owner").get(f"{hook.root}/deliveries", state="failed"))["items"] == []


async def test_an_endpoint_that_took_nothing_for_all_attempts_is_disabled(hook: Hook, settings: Settings) -> None:
    """The last of the attempts, made here as the engine would."""
    hook.behave(mode=FaultMode.FAILING)
    await hook.stage.settled(await hook.stage.book(), "assigned")
    waiting = (await hook.deliveries(are("retrying", 2)))[0]
    runner = EffectRunner(hook.stage.engine, Secrets(settings.secrets_key))
    activities = WebhookActivities(hook.stage.engine, runner, HttpWebhookSender(allow_loopback=True))
    ref = EffectRef(effect_id=UUID(waiting["id"]), business_id=hook.stage.tenant.business_id, round=1)
    async with hook.stage.engine.begin() as conn:
        last = len(WEBHOOK.waits)
        this = update(Effect).where(Effect.id == ref.effect_id)
        await conn.execute(this.values(tries=last, next_attempt_at=None))
    with pytest.raises(ApplicationError, match="http_500"):
        await ActivityEnvironment().run(activities.deliver_webhook, ref)
    endpoint = ok(await hook.stage.as_("owner").get(hook.root))
    assert (endpoint["state"], endpoint["disabled_reason"]) == ("disabled", "failing")
    [_, other] = await hook.deliveries(are("failed", 2))
    assert other["last_error"] == "endpoint_disabled"


# --- the adapter alone ----------------------------------------------------------------------------------------


class Raw:
    """A server that answers every request with the same bytes, and keeps what it was sent."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.requests: list[str] = []
        self.url = ""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.requests.append(head)
        writer.write(self.answer)
        await writer.drain()
        writer.close()


@pytest.fixture
async def raw() -> AsyncIterator[Raw]:
    server = Raw(b"")
    listening = await asyncio.start_server(server, LOOPBACK, 0)
    async with listening:
        server.url = f"http://{LOOPBACK}:{listening.sockets[0].getsockname()[1]}/"
        yield server


async def failure(url: str, **options: Any) -> VendorError:
    sender = HttpWebhookSender(**{"allow_loopback": True} | options)
    with pytest.raises(VendorError) as failed:
        await sender.deliver(a_call({}, {}), WebhookRequest(url, {"content-type": "application/json"}, BODY))
    return failed.value


def answer(status: str, *headers: str, body: str = "") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close", "", body]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize(
    ("given", "code", "permanent"),
    [
        (answer("302 Found", "Location: http://169.254.169.254/"), "redirected", False),
        (answer("410 Gone"), "gone", True),
        (answer("404 Not Found"), "http_404", False),
        (answer("500 Oops", body="x" * 100_000), "http_500", False),
        (b"", "reply_lost", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "reply_lost", False),
        (b"SSH-2.0-OpenSSH\r\n", "reply_lost", False),
    ],
)
async def test_anything_but_success_is_a_failure_with_a_code(
    raw: Raw, given: bytes, code: str, *, permanent: bool
) -> None:
    raw.answer = given
    error = await failure(raw.url)
    assert (error.code, error.permanent, len(raw.requests)) == (code, permanent, 1)


@pytest.mark.parametrize(("status", "code"), [("429 Slow down", "rate_limited"), ("503 Busy", "http_503")])
async def test_the_pause_that_an_endpoint_asks_for_is_kept(raw: Raw, status: str, code: str) -> None:
    raw.answer = answer(status, "Retry-After: 120")
    error = await failure(raw.url)
    assert (error.code, error.retry_after, error.permanent) == (code, timedelta(seconds=120), False)


async def test_an_answer_without_end_is_a_success_that_is_not_read(raw: Raw) -> None:
    raw.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 100_000
    await HttpWebhookSender(allow_loopback=True).deliver(a_call({}, {}), WebhookRequest(raw.url, {}, BODY))


async def test_nothing_that_one_answer_sets_goes_along_with_the_next_request(raw: Raw) -> None:
    raw.answer = answer("204 No Content", "Set-Cookie: tenant=one; Path=/")
    sender = HttpWebhookSender(allow_loopback=True)
    for _ in range(2):
        await sender.deliver(a_call({}, {}), WebhookRequest(raw.url, {"webhook-id": "1"}, BODY))
    assert len(raw.requests) == 2
    assert not any("cookie" in request.lower() for request in raw.requests)


async def test_an_endpoint_that_hangs_or_is_not_there_is_given_up(hook: Hook) -> None:
    hook.behave(mode=FaultMode.HANG)
    assert (await failure(hook.endpoint["url"], timeout_seconds=0.2)).code == "timeout"
    assert (await failure(f"http://{LOOPBACK}:{free_port()}/")).code == "unreachable"


@pytest.mark.parametrize(
    "url",
    ["https://10.0.0.1/", "https://localhost/", "https://2130706433/", "http://127.0.0.1:9/", "https://[::1]/"],
)
async def test_an_address_within_is_refused_when_it_is_called_too(url: str) -> None:
    error = await failure(url, allow_loopback=False)
    assert (error.code, error.permanent) == ("address_refused", True)
