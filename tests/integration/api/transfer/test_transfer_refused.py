"""Refused imports: all problems are reported at once, and nothing is stored."""

import asyncio
import json

import pytest

from db.models import Business
from tests.support.stage import Json, Stage, ok, problem
from tests.support.transfers import ROBIN, SERVICE, counted, home, send

BAD: Json = {
    "version": 2,
    "stuff": [],
    "business": {"timezone": "Mars/Canary", "slug": "x", "policy": {"hold_minutes": 0}},
    "services": [
        SERVICE,
        SERVICE | {"price": {"amount_minor": -1}},
        SERVICE | {"code": "Canary Code", "duration_minutes": 0},
        {"name": "?", "duration_minutes": 1, "price": {"amount_minor": 0}},
        SERVICE,
        "canary",
    ],
    "providers": [{"code": "cho", "name": "Cho", "email": "canary"}, {"code": "ana", "name": "", "user_id": None}],
    "hours": [
        {"day": "mon", "opens": "09:00", "closes": "12:00"},
        {"day": "mon", "opens": "11:00", "closes": "13:00"},
        {"provider": "nobody", "day": "mon", "opens": "10:00", "closes": "10:30"},
        {"day": "mon", "opens": "9:00", "closes": "25:00"},
        {"day": "wed", "opens": "09:00", "closes": "09:00"},
    ],
    "exceptions": [
        {"date": "2030-01-01", "kind": "hours", "opens": "09:00", "closes": "12:00"},
        {"date": "2030-01-01", "kind": "hours", "opens": "11:00", "closes": "13:00"},
        {"date": "2030-01-01", "kind": "extra", "opens": "14:00", "closes": "15:00"},
        {"date": "2030-02-30", "kind": "closed"},
        {"date": "2030-02-03", "kind": "closed", "opens": "09:00"},
        {"date": "2030-05-01", "kind": "closed", "yearly": True},
        {"date": "2031-05-01", "kind": "closed", "yearly": True},
        {"date": "2030-06-01", "kind": "hours", "opens": "11:00", "closes": "13:00"},
        {"date": "2030-06-01", "kind": "hours", "opens": "12:00", "closes": "14:00"},
    ],
    "time_off": [
        {"starts_at": "2030-01-02T00:00:00Z", "ends_at": "2030-01-01T00:00:00Z"},
        {"starts_at": "2030-01-01T00:00:00Z", "ends_at": "2040-01-01T00:00:00Z"},
        {"starts_at": "2030-01-01T00:00:00", "ends_at": "2030-01-02T00:00:00Z"},
    ],
    "areas": [{"kind": "range", "from": "20000", "to": "10000"}, {"kind": "exact"}],
    "customers": [
        ROBIN,
        ROBIN | {"email": "Robin@Example.com"},
        {"name": "Canary", "phone": "canary"},
        {"name": "Twice", "consents": [{"purpose": "sms", "granted": True}] * 2},
        {"name": "Future", "consents": [{"purpose": "sms", "granted": True, "given_at": "2100-01-01T00:00:00Z"}]},
    ],
}
BAD_PLACES = [
    (None, None, "/stuff"),
    (None, None, "/version"),
    ("business", None, "/slug"),
    ("business", None, "/timezone"),
    ("services", 2, "/price/amount_minor"),
    ("services", 3, "/code"),
    ("services", 3, "/duration_minutes"),
    ("services", 4, "/code"),
    ("services", 5, "/code"),
    ("services", 6, ""),
    ("providers", 1, "/email"),
    ("providers", 2, "/name"),
    ("providers", 2, "/user_id"),
    ("hours", 2, ""),
    ("hours", 3, "/provider"),
    ("hours", 4, "/closes"),
    ("hours", 4, "/opens"),
    ("hours", 5, ""),
    ("exceptions", 3, "/date"),
    ("exceptions", 4, "/date"),
    ("exceptions", 5, ""),
    ("exceptions", 7, "/date"),
    ("exceptions", 9, ""),
    ("time_off", 1, ""),
    ("time_off", 2, ""),
    ("time_off", 3, "/starts_at"),
    ("areas", 1, ""),
    ("areas", 2, ""),
    ("customers", 2, "/email"),
    ("customers", 3, "/phone"),
    ("customers", 4, ""),
    ("customers", 5, "/consents/0/given_at"),
]


async def test_every_bad_row_is_told_at_once_and_nothing_is_stored(stage: Stage) -> None:
    before = await counted(stage, home(stage))
    response = await send(stage, home(stage), BAD)
    found = problem(response, 422, "import_invalid")
    places = [(one["section"], one["row"], one["pointer"]) for one in found["errors"]]
    assert sorted(places, key=str) == sorted(BAD_PLACES, key=str)
    assert found["errors_total"] == len(BAD_PLACES)
    assert all(one["message"] for one in found["errors"])
    assert "canary" not in response.text.lower(), "what people sent is not repeated"
    assert await counted(stage, home(stage)) == before


async def test_bad_rows_of_csv_are_told_by_their_place_in_the_file(stage: Stage) -> None:
    before = await counted(stage, home(stage))
    content = (
        "\ufeffcode,name,duration_minutes,price_minor,currency,extra\r\n"
        "a,Canary,30,-5,USD,\r\n"
        "\r\n"
        'b,"two\r\nlines",x,5,us1,1\r\n'
        "c,ragged\r\n"
        "a,Fine,30,5,,\r\n"
        "A B,,30,,,\r\n"
    )
    response = await send(stage, home(stage), content, section="services")
    found = problem(response, 422, "import_invalid")
    places = [(one["row"], one["pointer"]) for one in found["errors"]]
    assert places == [
        (None, ""),
        (1, "/price_minor"),
        (3, "/duration_minutes"),
        (3, "/currency"),
        (4, ""),
        (6, "/code"),
        (6, "/name"),
        (6, "/price_minor"),
    ]
    assert "canary" not in response.text.lower()
    assert await counted(stage, home(stage)) == before


@pytest.mark.parametrize(
    ("content", "section"),
    [
        (b"[]", None),
        (b"{", None),
        (b'{"services": {}}', None),
        (b'{"customers": [{"name": "\xff"}]}', None),
        (b"[" * 100_000, None),
        (b"", "customers"),
        (b"name\xff\n", "customers"),
        (b"email,phone\na@example.com,\n", "customers"),
        (b"name,name\na,b\n", "customers"),
        (b'name\n"open\n', "customers"),
        (b'name\n"a"b\n', "customers"),
        (b"Ann Canary,ann@example.com\n", "customers"),
    ],
    ids=lambda value: str(value[:20]) if value else "json",
)
async def test_what_is_no_document_at_all_is_refused(stage: Stage, content: bytes, section: str | None) -> None:
    response = await send(stage, home(stage), content, **({"section": section} if section else {}))
    found = problem(response, 422, "import_invalid")
    assert found["errors"]
    assert "canary" not in response.text.lower()


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        ("application/xml", {}),
        ("text/csv", {}),
        ("text/csv", {"section": "bookings"}),
        ("application/json", {"section": "areas"}),
    ],
)
async def test_it_must_be_clear_what_is_sent(stage: Stage, kind: str, query: Json) -> None:
    client = stage.as_("owner")
    headers = client.headers(**{"Content-Type": kind})
    response = await client._http.post(f"{home(stage)}/import", content=b"{}", headers=headers, params=query)
    problem(response, 422, "invalid_request")


async def test_a_hundred_thousand_rows_are_refused_at_once(stage: Stage) -> None:
    begun = asyncio.get_running_loop().time()
    for content, query in (
        (json.dumps({"customers": [{"name": "x"}] * 100_000}), {}),
        ("name\n" + "x\n" * 100_000, {"section": "customers"}),
    ):
        found = problem(await send(stage, home(stage), content, **query), 422, "import_invalid")
        assert found["detail"].startswith("100000 rows; at most 20000 rows in one import: split it")
    assert asyncio.get_running_loop().time() - begun < 5
    assert await stage.count("customers") == 1


async def test_a_body_that_is_too_large_is_refused_and_other_routes_take_less(stage: Stage) -> None:
    large = json.dumps({"customers": [{"name": "n" * (17 * 1024 * 1024)}]})
    problem(await send(stage, home(stage), large), 413, "payload_too_large")
    half = {"customers": [{"name": "Half", "email": "n" * 300_000}]}
    problem(await send(stage, home(stage), half), 422, "import_invalid")
    response = await stage.as_("owner").post(f"{home(stage)}/customers", half["customers"][0])
    problem(response, 413, "payload_too_large")


@pytest.mark.parametrize("query", [{}, {"dry_run": "true"}])
async def test_nothing_is_imported_into_a_business_that_is_suspended(stage: Stage, query: Json) -> None:
    await stage.change(Business, status="suspended")
    before = await counted(stage, home(stage))
    refused = await send(stage, home(stage), {"services": [SERVICE]}, **query)
    assert problem(refused, 422, "invalid_request")["detail"].startswith("This business is suspended")
    assert await counted(stage, home(stage)) == before
    await stage.change(Business, status="setup")
    ok(await send(stage, home(stage), {"services": [SERVICE]}, **query))
