"""Message templates: defaults, the business's own, and previews."""

from typing import Any

import httpx

from domain.messages import OCCASIONS, VARIABLES
from runtime.messages.rendering import LANGUAGES
from tests.support.api_client import ApiClient
from tests.support.stage import Json, Stage, make_stage, ok, patch, problem

CONFIRMED = ("confirmed", "customer", "email", "en")
OWN: Json = {"subject": "Yes: {{ service.name }}", "body": "See you on {{ booking.date }}.", "html": None}


def path(stage: Stage, *parts: str) -> str:
    return "/".join((f"/v1/businesses/{stage.tenant.slug}/message-templates", *parts))


async def put(stage: Stage, words: Json, *parts: str, **headers: str) -> httpx.Response:
    return await stage.as_("owner").send("PUT", path(stage, *(parts or CONFIRMED)), words, **headers)


async def preview(stage: Stage, as_: str = "owner", **fields: Any) -> httpx.Response:
    named = {"kind": "confirmed", "audience": "customer", "channel": "email"}
    return await stage.as_(as_).post(path(stage, "preview"), named | fields)


async def listed(stage: Stage) -> dict[tuple[str, ...], Json]:
    items = ok(await stage.as_("owner").get(path(stage)))["items"]
    return {tuple(one[name] for name in ("kind", "audience", "channel", "language")): one for one in items}


async def test_our_words_are_listed_until_the_business_has_its_own(stage: Stage) -> None:
    before = await listed(stage)
    assert len(before) == len(OCCASIONS) * len(LANGUAGES)
    assert not any(one["is_own"] for one in before.values())
    made = ok(await put(stage, OWN))
    assert made == OWN | {
        "kind": "confirmed",
        "audience": "customer",
        "channel": "email",
        "language": "en",
        "is_own": True,
        "updated_at": made["updated_at"],
    }
    added = ok(await put(stage, OWN, "confirmed", "customer", "email", "PT-br"))
    assert added["language"] == "pt-BR"
    after = await listed(stage)
    assert after == before | {CONFIRMED: made, ("confirmed", "customer", "email", "pt-BR"): added}
    assert ok(await stage.as_("owner").get(path(stage, *CONFIRMED))) == made
    for language in ("en", "pt-BR"):
        gone = await stage.as_("owner").send("DELETE", path(stage, *CONFIRMED[:3], language))
        assert gone.status_code == 204
    assert await listed(stage) == before


async def test_what_a_template_may_name_is_listed(stage: Stage) -> None:
    variables = ok(await stage.as_("owner").get(path(stage)))["variables"]
    assert {one["name"] for one in variables} == VARIABLES.keys()


async def test_a_template_that_cannot_be_used_is_refused_by_part_and_line(stage: Stage) -> None:
    for words, pointer, message in (
        (OWN | {"body": "a\n{{ booking.price }}"}, "/body/body", "line 2: there is no variable booking.price"),
        (OWN | {"subject": "{% for x in y %}{% endfor %}"}, "/body/subject", "line 1: for is not allowed"),
        (OWN | {"html": "{{ ''.__class__.__mro__ }}"}, "/body/html", "line 1: there is nothing called __mro__"),
        (OWN | {"body": "{{ business.name"}, "/body/body", "line 1: "),
        (OWN | {"body": "{{ provider.name }}"}, "/body/body", "says nothing"),
        ({"body": "Hello"}, "/body/subject", "an e-mail needs one"),
    ):
        [error] = problem(await put(stage, words), 422, "invalid_request")["errors"]
        assert error["pointer"] == pointer
        assert message in error["message"]
    by_sms = ("confirmed", "customer", "sms", "en")
    [error] = problem(await put(stage, OWN, *by_sms), 422, "invalid_request")["errors"]
    assert (error["pointer"], error["message"]) == ("/body/subject", "a text message has none")
    problem(await put(stage, OWN, "completed", "customer", "sms", "en"), 404, "not_found")
    assert not any(one["is_own"] for one in (await listed(stage)).values())


async def test_a_template_is_replaced_only_as_it_was_read(stage: Stage) -> None:
    tag = (await stage.as_("owner").get(path(stage, *CONFIRMED))).headers["ETag"]
    made = await put(stage, OWN, **{"If-Match": tag})
    assert ok(made)["is_own"]
    problem(await put(stage, OWN | {"body": "Other"}, **{"If-Match": tag}), 412, "stale")
    assert ok(await put(stage, OWN | {"body": "Other"}, **{"If-Match": made.headers["ETag"]}))["body"] == "Other"


async def test_a_preview_writes_by_the_words_in_force_or_by_those_given(stage: Stage) -> None:
    ours = ok(await preview(stage))
    assert ours["language"] == "en"
    assert "Test Business" in ours["text"]
    assert ok(await preview(stage, language="de-CH"))["subject"].startswith("Bestätigt: ")
    given = ok(await preview(stage, language="fr", template=OWN | {"html": "<b>{{ customer.name }}</b>"}))
    assert given == {
        "language": "fr",
        "subject": "Yes: Repair",
        "text": "See you on 2035-03-14.",
        "html": "<b>Casey Roe</b>",
    }
    ok(await put(stage, OWN))
    assert ok(await preview(stage))["subject"] == "Yes: Repair"
    wrong = problem(await preview(stage, template=OWN | {"body": "{{ x }}"}), 422, "invalid_request")
    assert wrong["errors"][0]["pointer"] == "/body/template/body"
    problem(await preview(stage, kind="completed", channel="sms"), 422, "invalid_request")
    assert await stage.count("messages") == 0


async def test_a_preview_may_speak_of_a_booking_of_the_business(stage: Stage, api: ApiClient) -> None:
    stranger = await make_stage(api, stage.engine)
    booking = await stage.book()
    shown = ok(await preview(stage, kind="received", booking_id=booking["id"]))
    assert booking["reference"] in shown["text"]
    assert "Casey Customer" in shown["text"]
    problem(await preview(stranger, kind="received", booking_id=booking["id"]), 404, "not_found")


async def test_a_key_that_may_not_read_bookings_previews_none(stage: Stage, api: ApiClient) -> None:
    booking = await stage.book()
    keys = f"/v1/businesses/{stage.tenant.slug}/api-keys"
    made = ok(await stage.as_("owner").post(keys, {"name": "site", "scopes": ["business:manage"]}), 201)
    fields = {"kind": "received", "audience": "customer", "channel": "email"}
    program = api.with_token(made["key"])
    ok(await program.post(path(stage, "preview"), fields))
    of_booking = await program.post(path(stage, "preview"), fields | {"booking_id": booking["id"]})
    problem(of_booking, 403, "forbidden")


async def test_a_customer_has_a_language_and_a_time_zone(stage: Stage) -> None:
    desk, root = stage.as_("owner"), f"/v1/businesses/{stage.tenant.slug}/customers"
    made = ok(await desk.post(root, {"name": "Robin", "email": "robin@example.com"}), 201)
    assert (made["locale"], made["timezone"]) == (None, None)
    one = f"{root}/{made['id']}"
    ok(await patch(desk, one, {"locale": "de-at", "timezone": "Europe/Vienna"}))
    changed = ok(await patch(desk, one, {"name": "Robin Roe"}))
    assert (changed["locale"], changed["timezone"]) == ("de-AT", "Europe/Vienna")
    for wrong in ({"locale": "german"}, {"locale": "x"}, {"timezone": "Mars/Olympus"}):
        problem(await patch(desk, one, wrong), 422, "invalid_request")
    assert ok(await patch(desk, one, {"locale": None}))["locale"] is None


async def test_who_books_says_how_to_be_written_to(stage: Stage) -> None:
    person = {"name": "Robin", "email": "robin@example.com", "locale": "ja", "timezone": "Asia/Tokyo"}
    booking = ok(await stage.as_("owner").book(stage.tenant, starts_at=stage.next_start(), customer=person), 201)
    shown = ok(await preview(stage, kind="received", booking_id=booking["id"]))
    assert shown["language"] == "ja"
    assert "JST" in shown["text"]
