"""Export and import of a business: all or nothing, and repeating an import changes nothing."""

import asyncio
import csv
import io
from uuid import UUID

from sqlalchemy import text

from db.models import Business
from db.repositories import customers
from db.repositories.customers import Contact
from db.repositories.transfer import CHUNK
from tests.support.stage import Stage, make_stage, ok, problem
from tests.support.transfers import (
    ROBIN,
    bring,
    counted,
    document,
    exported,
    founded,
    home,
    send,
    sheet,
)


async def test_what_was_exported_is_imported_elsewhere_and_exported_alike(stage: Stage) -> None:
    first, second, third = [await founded(stage, name) for name in ("one", "two", "three")]
    sent = document()
    counts = await bring(stage, first, sent)
    assert counts.pop("business") == {"created": 0, "updated": 1, "unchanged": 0, "removed": 0}
    assert {name: tally["created"] for name, tally in counts.items()} == {
        name: len(rows) for name, rows in sent.items() if isinstance(rows, list)
    }
    answer = await stage.as_("owner").get(f"{first}/export")
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{stage.tenant.slug}-one.json"'
    document_of_first = ok(answer)
    assert document_of_first["business"] == sent["business"]
    assert [one["code"] for one in document_of_first["services"]] == ["cut", "perm-long-hair"]
    assert document_of_first["services"][0]["price"] == {"amount_minor": 3500, "currency": "GBP"}
    assert [one["name"] for one in document_of_first["customers"]] == [one["name"] for one in sent["customers"]]
    assert document_of_first["customers"][0] == sent["customers"][0] | {
        "consents": [sent["customers"][0]["consents"][0] | {"given_at": "2026-01-02T03:04:05.600000Z"}]
    }

    await bring(stage, second, document_of_first)
    assert await exported(stage, second) == document_of_first
    await bring(stage, third, {"business": sent["business"]})
    for section in ("services", "providers", "hours", "exceptions", "time_off", "areas", "customers"):
        await bring(stage, third, await sheet(stage, first, section), section=section)
        assert await sheet(stage, third, section) == await sheet(stage, first, section)
    in_json, in_csv = document_of_first, await exported(stage, third)
    assert [row | {"consents": []} for row in in_json.pop("customers")] == [
        row | {"consents": []} for row in in_csv.pop("customers")
    ]
    assert in_csv == in_json


async def test_the_same_import_again_changes_nothing(stage: Stage) -> None:
    path = await founded(stage, "again")
    await bring(stage, path, document())
    before, held = await exported(stage, path), await counted(stage, path)
    for content in (document(), before):
        for tally in (await bring(stage, path, content)).values():
            assert tally == {"created": 0, "updated": 0, "unchanged": tally["unchanged"], "removed": 0}
    for section in ("services", "providers", "hours", "exceptions", "time_off", "areas", "customers"):
        [tally] = (await bring(stage, path, await sheet(stage, path, section), section=section)).values()
        assert (tally["created"], tally["updated"], tally["removed"]) == (0, 0, 0)
    assert await exported(stage, path) == before
    assert await counted(stage, path) == held


async def test_a_dry_run_tells_what_would_happen_and_stores_nothing(stage: Stage) -> None:
    path = await founded(stage, "dry")
    before = await counted(stage, path)
    preview = ok(await send(stage, path, document(), dry_run=True))
    assert preview["dry_run"] is True
    assert await counted(stage, path) == before
    assert preview["counts"] == await bring(stage, path, document())


async def test_rows_change_what_has_their_code_and_replace_what_they_name(stage: Stage) -> None:
    path = home(stage)
    before = await exported(stage, path)
    counts = await bring(
        stage,
        path,
        {
            "services": [
                {"code": "repair", "name": "Repair", "duration_minutes": 90, "price": {"amount_minor": 1}}
            ],
            "providers": [{"code": "ana", "name": "Ana", "rating": 4.9}],
            "hours": [{"provider": "ana", "day": "tue", "opens": "10:00", "closes": "11:00"}],
        },
    )
    assert counts["services"]["updated"] == counts["providers"]["updated"] == counts["hours"]["created"] == 1
    after = await exported(stage, path)
    assert after["services"][0]["price"] == {"amount_minor": 1, "currency": "USD"}, "the currency it had"
    assert after["services"][0]["required_skills"] == [], "a row is the whole thing"
    assert [one["name"] for one in after["providers"]] == ["Ana", "ben"]
    assert [one for one in after["hours"] if one["provider"] is None] == before["hours"], "not named"
    [counts] = (
        await bring(stage, path, {"hours": [{"day": "tue", "opens": "00:00", "closes": "24:00"}]})
    ).values()
    assert counts == {"created": 0, "updated": 0, "unchanged": 1, "removed": 6}
    holiday = {"date": "2031-12-25", "kind": "closed", "yearly": True}
    await bring(stage, path, {"exceptions": [holiday]})
    [counts] = (await bring(stage, path, {"exceptions": [holiday | {"date": "2032-12-25"}]})).values()
    assert (counts["created"], counts["removed"]) == (1, 1), "a day of every year is told once"


async def test_customers_are_found_again_and_only_what_is_missing_is_filled_in(stage: Stage) -> None:
    path = home(stage)
    at = f"{path}/customers"
    robin = ok(await stage.as_("owner").post(at, {"name": "Robin", "email": ROBIN["email"]}), 201)
    withdrew = ok(await stage.as_("owner").post(at, {"name": "Sam", "phone": "+12125550111"}), 201)
    said = {"purpose": "sms", "granted": False, "source": "phone"}
    ok(await stage.as_("owner").post(f"{at}/{withdrew['id']}/consents", said), 201)
    rows = [ROBIN | {"sms_opt_in": True}, {"name": "Sam", "phone": "+12125550111", "sms_opt_in": True}]
    rows += [{"name": "Casey Customer"}, rows[1]]
    [tally] = (await bring(stage, path, {"customers": rows})).values()
    assert tally == {"created": 0, "updated": 1, "unchanged": 3, "removed": 0}
    found = ok(await stage.as_("owner").get(f"{at}/{robin['id']}"))
    assert found == robin | {"phone": ROBIN["phone"], "sms_opt_in": True}
    [consent] = ok(await stage.as_("owner").get(f"{at}/{robin['id']}/consents"))["items"]
    assert (consent["purpose"], consent["granted"], consent["source"]) == ("sms", True, "import")
    found = ok(await stage.as_("owner").get(f"{at}/{withdrew['id']}"))
    assert found["sms_opt_in"] is False, "who took a consent back does not give it again by an import"


async def test_only_the_desk_moves_a_business(stage: Stage) -> None:
    other = await make_stage(stage.api, stage.engine)
    huge = b"{" + b" " * (1024 * 1024) + b"}"
    for path, by, status, code in (
        (home(other), "owner", 404, "not_found"),
        (home(stage), "ana", 403, "forbidden"),
        (home(stage), "customer", 404, "not_found"),
    ):
        problem(await stage.as_(by).get(f"{path}/export"), status, code)
        problem(await send(stage, path, huge, by=by), status, code)
    problem(await stage.api.get(f"{home(stage)}/export"), 401, "unauthenticated")
    assert ok(await send(stage, home(stage), huge, by="admin"))["counts"] == {}
    problem(await stage.as_("owner").get(f"{home(stage)}/export", format="csv"), 422, "invalid_request")


async def test_a_formula_leaves_as_text_and_comes_back_as_it_was(stage: Stage) -> None:
    path = await founded(stage, "formulas")
    names = ["=1+1", "+1", "-1", "@SUM(1)", "'=1", "''@", "'t Hooft", "a=b", "\uff1d1", "x;=cmd"]
    await bring(stage, path, {"customers": [{"name": name} for name in names] + [ROBIN]})
    lines = list(csv.reader(io.StringIO(await sheet(stage, path, "customers"), newline="")))
    assert [line[0] for line in lines[1:-1]] == [
        "'=1+1",
        "'+1",
        "'-1",
        "'@SUM(1)",
        "''=1",
        "'''@",
        "'t Hooft",
        "a=b",
        "'\uff1d1",
        "x;'=cmd",
    ]
    assert lines[-1] == ["Robin Roe", "robin@example.com", "'+12125550100", "false"]
    assert not any(cell.startswith(("=", "+", "-", "@")) for line in lines for cell in line)
    [tally] = (await bring(stage, path, await sheet(stage, path, "customers"), section="customers")).values()
    assert tally["unchanged"] == len(names) + 1
    shown = (await exported(stage, path))["customers"]
    assert [one["name"] for one in shown] == [*names, ROBIN["name"]]


async def test_a_sheet_of_another_country_is_taken_and_its_separator_told(stage: Stage) -> None:
    content = "Name;E-Mail;Email;Phone\r\nRobin Roe;;robin@example.com;+1 212 555 0100\r\n;;;\r\n"
    problem(await send(stage, home(stage), content, section="customers"), 422, "import_invalid")
    content = content.replace("E-Mail;", "", 1).replace("Roe;;", "Roe;").replace(";;;", ";;")
    answer = ok(await send(stage, home(stage), content, section="customers"))
    assert answer["separator"] == "semicolon"
    assert answer["counts"]["customers"]["created"] == 1
    [robin] = [one for one in (await exported(stage, home(stage)))["customers"] if one["name"] == "Robin Roe"]
    assert (robin["email"], robin["phone"]) == (ROBIN["email"], ROBIN["phone"])
    assert ok(await send(stage, home(stage), {"customers": [ROBIN]}))["separator"] is None


async def waiting_for_customers(stage: Stage) -> int:
    """The process id of the connection that waits for the lock on all customers."""
    query = text("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND NOT granted")
    async with asyncio.timeout(10), stage.engine.connect() as conn:
        while (pid := (await conn.execute(query)).scalar()) is None:
            await asyncio.sleep(0.01)
    return int(pid)


async def test_a_connection_that_breaks_in_the_middle_leaves_nothing(stage: Stage) -> None:
    path = await founded(stage, "broken")
    before = await counted(stage, path)
    async with stage.engine.connect() as conn, conn.begin() as meeting:
        await customers.match_or_create(
            conn, UUID(path.rpartition("/")[2]), Contact("Sam", "sam@example.com", None)
        )
        importing = asyncio.create_task(send(stage, path, document()))
        pid = await waiting_for_customers(stage)
        await conn.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        problem(await importing, 503, "database_unavailable")
        await meeting.rollback()
    assert await counted(stage, path) == before
    assert (await bring(stage, path, document()))["customers"]["created"] == len(document()["customers"])


async def test_an_import_waits_for_somebody_who_is_just_being_met(stage: Stage) -> None:
    async with stage.engine.begin() as conn:
        await customers.match_or_create(conn, stage.tenant.business_id, Contact("Robin", ROBIN["email"], None))
        importing = asyncio.create_task(bring(stage, home(stage), {"customers": [ROBIN]}))
        await waiting_for_customers(stage)
    assert (await importing)["customers"] == {"created": 0, "updated": 1, "unchanged": 0, "removed": 0}


async def test_importing_and_adding_the_same_customers_at_once_makes_nobody_twice(stage: Stage) -> None:
    people = [
        {"name": f"P{n}", "phone": f"+1212555{n:04}"} | ({"email": f"p{n}@example.com"} if n % 2 else {})
        for n in range(100, 130)
    ]
    add = stage.as_("owner").post
    imports = [send(stage, home(stage), {"customers": people}) for _ in range(3)]
    answers = await asyncio.gather(
        *imports, *(add(f"{home(stage)}/customers", person) for person in people for _ in range(2))
    )
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert await stage.count("customers") == len(people) + 1


async def test_an_import_and_bookings_that_take_turns_do_not_wait_for_each_other_in_a_ring(stage: Stage) -> None:
    await stage.change(Business, policy={"assignment": "round_robin"})
    people = [{"name": f"P{n}", "email": f"p{n}@example.com"} for n in range(400)]
    providers = [{"code": name, "name": name, "skills": ["repair"]} for name in ("ana", "ben")]
    owner, starts = stage.as_("owner"), [stage.next_start() for _ in range(20)]
    answers = await asyncio.gather(
        *(send(stage, home(stage), {"providers": providers, "customers": people}) for _ in range(3)),
        *(owner.book(stage.tenant, starts_at=at, customer=people[n]) for n, at in enumerate(starts)),
    )
    assert {answer.status_code for answer in answers} == {200, 201}


async def test_more_customers_than_a_statement_or_a_page_takes(stage: Stage) -> None:
    people = [f"P{n},p{n}@example.com,+1212{n}," for n in range(2_000_000, 2_000_000 + CHUNK + 100)]
    content = "\n".join(["name,email,phone,sms_opt_in", *people])
    for created in (len(people), 0):
        [tally] = (await bring(stage, home(stage), content, section="customers")).values()
        assert (tally["created"], tally["unchanged"]) == (created, len(people) - created)
    lines = list(csv.reader((await sheet(stage, home(stage), "customers")).splitlines()))
    assert [line[0] for line in lines[2:]] == [line.partition(",")[0] for line in people]
    assert len((await exported(stage, home(stage)))["customers"]) == len(people) + 1
