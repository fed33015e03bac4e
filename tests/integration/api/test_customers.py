"""The customer resource: creation without duplicates, changes, lists and consents."""

import asyncio
from typing import Any

import pytest

from runtime.ids import new_id
from tests.support.factories import make_tenant
from tests.support.stage import Json, Stage, ok, patch, problem

ROBIN: Json = {"name": "Robin Roe", "email": "robin@example.com", "phone": "+12125550100"}
EMAIL: Json = {"name": "R. Roe", "email": "Robin@Example.com"}
PHONE: Json = {"name": "Roe", "phone": "+1 (212) 555-0100"}


def path(stage: Stage, *parts: object) -> str:
    return "/".join(map(str, (f"/v1/businesses/{stage.tenant.slug}/customers", *parts)))


async def meet(stage: Stage, status: int, **contact: Any) -> Json:
    return ok(await stage.as_("owner").post(path(stage), contact), status)


async def test_a_customer_is_made_once_and_then_found_again_as_they_are(stage: Stage) -> None:
    answer = await stage.as_("owner").post(path(stage), ROBIN)
    made = ok(answer, 201)
    assert made == ROBIN | {
        "id": made["id"],
        "locale": None,
        "timezone": None,
        "sms_opt_in": False,
        "has_account": False,
        "created_at": made["created_at"],
    }
    assert ok(await stage.as_("admin").get(answer.headers["Location"])) == made
    for contact in (ROBIN, EMAIL, PHONE, EMAIL | {"phone": "+12125550199"}):
        assert await meet(stage, 200, **contact) == made
    assert await stage.count("customers") == 2, "Casey was there before"


async def test_what_is_missing_is_filled_in_by_whoever_is_found(stage: Stage) -> None:
    made = await meet(stage, 201, **EMAIL)
    assert await meet(stage, 200, **ROBIN) == made | {"phone": ROBIN["phone"]}
    other = {"name": "Sam", "phone": "+12125550111"}
    sam = await meet(stage, 201, **other)
    assert await meet(stage, 200, **other, email="sam@example.com") == sam | {"email": "sam@example.com"}


async def test_people_who_share_a_phone_and_have_different_addresses_stay_two(stage: Stage) -> None:
    robin = await meet(stage, 201, **ROBIN)
    alex = await meet(stage, 201, name="Alex Roe", email="alex@example.com", phone=ROBIN["phone"])
    assert alex["id"] != robin["id"]
    assert (await meet(stage, 200, **PHONE))["id"] == robin["id"], "the one who has had it longest"
    found = ok(await stage.as_("owner").post(path(stage, "search"), {"phone": ROBIN["phone"]}))["items"]
    assert found == [robin, alex]


async def test_nobody_is_found_without_e_mail_and_phone(stage: Stage) -> None:
    assert (await meet(stage, 201, name="Walk In"))["id"] != (await meet(stage, 201, name="Walk In"))["id"]


async def test_whoever_types_a_number_into_their_account_gets_nobody_s_bookings_by_it(stage: Stage) -> None:
    own = await stage.book(customer={"name": "Casey", "phone": PHONE["phone"]})
    starts_at = stage.next_start()
    theirs = ok(await stage.as_("owner").book(stage.tenant, starts_at=starts_at, customer=ROBIN), 201)
    assert theirs["customer_id"] != own["customer_id"]
    problem(await stage.as_("customer").get(f"/v1/bookings/{theirs['id']}"), 404, "not_found")
    assert (await meet(stage, 200, **PHONE))["id"] == theirs["customer_id"]


@pytest.mark.parametrize("contacts", [[ROBIN], [ROBIN, EMAIL], [ROBIN, PHONE]], ids=["same", "mail", "phone"])
async def test_twenty_at_once_make_one_customer(stage: Stage, contacts: list[Json]) -> None:
    bodies = [contacts[turn % len(contacts)] for turn in range(20)]
    answers = await asyncio.gather(*(stage.as_("owner").post(path(stage), contact) for contact in bodies))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    [(customer_id)] = {answer.json()["id"] for answer in answers}
    stored = ok(await stage.as_("owner").get(path(stage, customer_id)))
    assert all(
        stored[name] == ROBIN[name] for contact in contacts for name in ("email", "phone") if name in contact
    )


async def test_customers_and_bookings_for_them_meet_in_one_row(stage: Stage) -> None:
    made = [stage.as_("owner").post(path(stage), contact) for contact in (ROBIN, PHONE, ROBIN)]
    starts = [stage.next_start() for _ in range(3)]
    booked = [stage.as_("owner").book(stage.tenant, starts_at=at, customer=ROBIN) for at in starts]
    answers = await asyncio.gather(*made, *booked)
    assert len({answer.json().get("customer_id") or answer.json()["id"] for answer in answers}) == 1


async def test_customers_are_listed_newest_first_page_by_page(stage: Stage) -> None:
    made = [(await meet(stage, 201, name=f"Walk In {number}"))["id"] for number in range(3)]
    seen: list[str] = []
    cursor: Json = {}
    for _ in range(2):
        page = ok(await stage.as_("owner").get(path(stage), limit=2, **cursor))
        seen += [item["id"] for item in page["items"]]
        cursor = {"cursor": page["next_cursor"]}
    assert seen == [*reversed(made), str(stage.tenant.customer_id)]
    assert cursor == {"cursor": None}


async def test_customers_are_searched_by_e_mail_or_phone(stage: Stage) -> None:
    robin, owner = await meet(stage, 201, **ROBIN), stage.as_("owner")
    for body in ({"email": "ROBIN@example.com"}, {"phone": "+1 212 555 0100"}):
        assert ok(await owner.post(path(stage, "search"), body))["items"] == [robin]
    assert ok(await owner.post(path(stage, "search"), {"email": "nobody@example.com"}))["items"] == []
    for bad in ({}, {"email": ROBIN["email"], "phone": ROBIN["phone"]}, {"email": "robin"}, {"name": "Robin"}):
        problem(await owner.post(path(stage, "search"), bad), 422, "invalid_request")


async def test_what_is_sent_is_changed_and_an_address_belongs_to_one(stage: Stage) -> None:
    owner, robin = stage.as_("owner"), await meet(stage, 201, **ROBIN)
    alex = await meet(stage, 201, name="Alex", email="alex@example.com")
    here = path(stage, robin["id"])
    tag = {"If-Match": (await owner.get(here)).headers["ETag"]}
    changed = ok(await patch(owner, here, {"email": "Roe@Example.com"}, **tag))
    assert changed == robin | {"email": "roe@example.com"}
    problem(await patch(owner, here, {"name": "Somebody"}, **tag), 412, "stale")
    taken = problem(await patch(owner, here, {"email": "alex@example.com"}), 409, "already_exists")
    assert "alex" not in taken["detail"]
    for bad in ({"name": None}, {"name": ""}, {"email": "roe"}, {"phone": "12"}, {"sms_opt_in": True}):
        problem(await patch(owner, here, bad), 422, "invalid_request")
    assert ok(await owner.get(here)) == changed
    assert ok(await patch(owner, here, {"phone": None, "name": "Roe"})) == changed | {
        "phone": None,
        "name": "Roe",
    }
    assert ok(await patch(owner, path(stage, alex["id"]), {"email": ROBIN["email"]}))["email"] == ROBIN["email"]


async def test_an_address_that_two_take_at_once_goes_to_one(stage: Stage) -> None:
    owner = stage.as_("owner")
    people = [await meet(stage, 201, name=f"Walk In {number}") for number in range(5)]
    changes = [patch(owner, path(stage, person["id"]), {"email": ROBIN["email"]}) for person in people]
    answers = await asyncio.gather(*changes, owner.post(path(stage), {"name": "New"} | EMAIL))
    assert sorted(answer.status_code for answer in answers[:5]).count(200) + (answers[5].status_code == 201) == 1
    found = ok(await owner.post(path(stage, "search"), {"email": ROBIN["email"]}))["items"]
    assert [person["id"] for person in found] == [answers[5].json()["id"]]


async def test_consents_are_added_to_and_the_latest_of_a_purpose_counts(stage: Stage) -> None:
    owner, robin = stage.as_("owner"), await meet(stage, 201, **ROBIN)
    here = path(stage, robin["id"], "consents")
    news = {"purpose": "marketing", "granted": True, "text": "Send me news."}
    sms = {"purpose": "sms", "granted": True, "text": "Text me.", "source": "web form"}
    first = ok(await owner.post(here, news | {"given_at": "2024-03-05T07:00:00-05:00"}), 201)
    assert first == news | {"id": first["id"], "source": "api", "given_at": "2024-03-05T12:00:00Z"}
    granted = ok(await owner.post(here, sms), 201)
    assert ok(await owner.get(path(stage, robin["id"])))["sms_opt_in"] is True
    assert ok(await owner.post(here, sms), 200) == granted, "said again it is not noted again"
    assert ok(await owner.post(here, news | {"given_at": first["given_at"]}), 200) == first
    stopped = ok(await owner.post(here, {"purpose": "sms", "granted": False, "text": "STOP"}), 201)
    late = ok(await owner.post(here, sms | {"given_at": "2024-01-01T00:00:00Z"}), 201)
    assert ok(await owner.get(path(stage, robin["id"])))["sms_opt_in"] is False, "later word counts, not later row"
    page = ok(await owner.get(here, limit=3))
    assert page["items"] == [stopped, granted, first]
    assert page["current"] == {"sms": stopped, "marketing": first}
    rest = ok(await owner.get(here, limit=3, cursor=page["next_cursor"]))
    assert (rest["items"], rest["next_cursor"]) == ([late], None)


async def test_consents_may_come_with_the_customer(stage: Stage) -> None:
    owner = stage.as_("owner")
    given = {"purpose": "email", "granted": True, "text": "Mail me.", "source": "import"}
    for status in (201, 200):
        robin = await meet(stage, status, **ROBIN, sms_opt_in=True, consents=[given])
        assert robin["sms_opt_in"] is True
    page = ok(await owner.get(path(stage, robin["id"], "consents")))
    assert {item["purpose"]: (item["source"], item["text"]) for item in page["items"]} == {
        "email": ("import", "Mail me."),
        "sms": ("api", ""),
    }
    assert len(page["items"]) == 2
    refused = [given | {"purpose": "sms", "granted": False, "text": "No."}]
    assert (await meet(stage, 200, **ROBIN, consents=refused))["sms_opt_in"] is False


async def test_what_cannot_be_is_refused_and_nothing_is_stored(stage: Stage) -> None:
    owner, customer = stage.as_("owner"), path(stage, stage.tenant.customer_id)
    for body in (
        {},
        {"name": ""},
        {"name": "Robin", "email": "robin"},
        {"name": "Robin", "phone": "555 0100"},
        {"name": "Robin", "user_id": str(new_id())},
        ROBIN | {"consents": [{"purpose": "fax", "granted": True, "text": "Fax me."}]},
        ROBIN | {"consents": [{"purpose": "sms", "granted": True}]},
    ):
        problem(await owner.post(path(stage), body), 422, "invalid_request")
    for body in (
        {"purpose": "sms", "granted": True, "text": ""},
        {"purpose": "sms", "text": "Text me."},
        {"purpose": "sms", "granted": True, "text": "Text me.", "source": ""},
        {"purpose": "sms", "granted": True, "text": "Text me.", "given_at": "2190-01-01T00:00:00Z"},
        {"purpose": "sms", "granted": True, "text": "Text me.", "given_at": "2024-01-01T00:00:00"},
    ):
        problem(await owner.post(f"{customer}/consents", body), 422, "invalid_request")
    assert (await stage.count("customers"), await stage.count("consents")) == (1, 0)


async def test_customers_are_for_the_desk_alone(stage: Stage) -> None:
    other = await make_tenant(stage.engine)
    robin, consent = await meet(stage, 201, **ROBIN), {"purpose": "sms", "granted": True, "text": "Text me."}
    requests: list[tuple[str, tuple[object, ...], Any]] = [
        ("GET", (), None),
        ("POST", (), ROBIN),
        ("POST", ("search",), {"email": ROBIN["email"]}),
        ("GET", (robin["id"],), None),
        ("PATCH", (robin["id"],), {"name": "X"}),
        ("GET", (robin["id"], "consents"), None),
        ("POST", (robin["id"], "consents"), consent),
    ]
    said = {"If-Match": "*"}
    for method, parts, body in requests:
        for client, status, code in (
            (stage.api, 401, "unauthenticated"),
            (stage.as_("customer"), 404, "not_found"),
            (stage.api.as_(other.principals["owner"]), 404, "not_found"),
            (stage.as_("ana"), 403, "forbidden"),
        ):
            problem(await client.send(method, path(stage, *parts), body, **said), status, code)
        if robin["id"] in parts:
            elsewhere = path(stage, *parts).replace(stage.tenant.slug, other.slug)
            stranger = stage.api.as_(other.principals["owner"])
            problem(await stranger.send(method, elsewhere, body, **said), 404, "not_found")
    assert ok(await stage.as_("owner").get(path(stage, robin["id"]))) == robin
