"""Attachments of a booking: access, accepted files, and no orphans."""

import asyncio
import hashlib
import io
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from db.repositories import attachments, integrations
from db.repositories.attachments import NewFile
from db.repositories.integrations import NewIntegration
from dev.vendors.s3 import REGION, create_bucket, keys_in, s3_server
from domain.effects import Port, Vendor
from domain.policies import Policy
from runtime.ids import new_id
from runtime.json import to_json_text
from runtime.secrets import Secrets
from runtime.settings import Settings
from runtime.storage import StorageError, Storages
from tests.support.api_client import ApiClient
from tests.support.stage import Json, Stage, make_stage, ok, problem
from worker.purges import OrphanedFiles

PDF = b"%PDF-1.7 a leaking tap"
MOST = 10 * 1024 * 1024
ELSEWHERE = text("""
UPDATE integrations SET settings = settings || jsonb_build_object('endpoint', CAST(:url AS text))
WHERE business_id = :id
""")


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
async def booking(stage: Stage) -> Json:
    return await stage.settled(await stage.book(), "assigned")


def path(booking: Json) -> str:
    return f"/v1/bookings/{booking['id']}/attachments"


async def attach(
    caller: ApiClient, booking: Json, content: Any = PDF, *, kind: str = "application/pdf", **options: str
) -> httpx.Response:
    """Attach a file; `key` and `name` are the caller's."""
    headers = {"Content-Type": kind} | ({"Idempotency-Key": options["key"]} if "key" in options else {})
    query = {"name": options["name"]} if "name" in options else {}
    return await caller.upload(path(booking), content, query, **headers)


async def use_s3(stage: Stage, settings: Settings, s3_url: str) -> str:
    """Let the business have a store of its own; its bucket."""
    bucket = f"b-{uuid4().hex}"
    create_bucket(s3_url, bucket)
    secrets = to_json_text({"access_key_id": "AKIATEST", "secret_access_key": "hush"})
    new = NewIntegration(
        port=Port.STORAGE,
        vendor=Vendor.S3,
        settings={"bucket": bucket, "region": REGION, "endpoint": s3_url},
        secrets_encrypted=Secrets(settings.secrets_key).encrypt(secrets),
        keep_secrets=False,
    )
    async with stage.engine.begin() as conn:
        await integrations.save(conn, stage.tenant.business_id, new)
    return bucket


async def states(stage: Stage) -> list[str]:
    query = text("SELECT state FROM attachments WHERE business_id = :id ORDER BY id")
    async with stage.engine.connect() as conn:
        return list((await conn.execute(query, {"id": stage.tenant.business_id})).scalars())


@pytest.mark.parametrize("storage", ["folder", "s3"])
async def test_a_file_is_attached_listed_read_and_taken_away(
    stage: Stage, booking: Json, settings: Settings, s3_url: str, storage: str
) -> None:
    bucket = await use_s3(stage, settings, s3_url) if storage == "s3" else None
    customer, content = stage.as_("customer"), os.urandom(1_500_000)
    made = await attach(customer, booking, content, kind="image/png", name="tap.png")
    file = ok(made, 201)
    assert (file["name"], file["content_type"], file["size_bytes"]) == ("tap.png", "image/png", 1_500_000)
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert made.headers["Location"] == f"{path(booking)}/{file['id']}"
    if bucket is not None:
        assert keys_in(s3_url, bucket) == [f"businesses/{stage.tenant.business_id}/attachments/{file['id']}"]
    for name in ("customer", "ana", "owner", "admin"):
        assert ok(await stage.as_(name).get(path(booking)))["items"] == [file]
        read = await stage.as_(name).get(made.headers["Location"])
        assert (read.status_code, read.content) == (200, content)
        assert read.headers["Content-Type"] == "image/png"
        assert read.headers["Content-Disposition"].startswith('attachment; filename="tap.png"')
        assert read.headers["X-Content-Type-Options"] == "nosniff"
        assert read.headers["Cache-Control"] == "private, no-store"
    problem(await stage.as_("ana").send("DELETE", made.headers["Location"]), 403, "forbidden")
    assert (await customer.send("DELETE", made.headers["Location"])).status_code == 204
    problem(await customer.get(made.headers["Location"]), 404, "not_found")
    problem(await customer.send("DELETE", made.headers["Location"]), 404, "not_found")
    assert await states(stage) == []
    assert bucket is None or keys_in(s3_url, bucket) == []


async def test_the_desk_may_take_away_what_others_have_attached(stage: Stage, booking: Json) -> None:
    file = ok(await attach(stage.as_("ana"), booking), 201)
    problem(await stage.as_("customer").send("DELETE", f"{path(booking)}/{file['id']}"), 403, "forbidden")
    assert (await stage.as_("owner").send("DELETE", f"{path(booking)}/{file['id']}")).status_code == 204


async def test_who_has_nothing_to_do_with_the_booking_is_not_told_of_its_files(
    stage: Stage, booking: Json, api: ApiClient
) -> None:
    file = ok(await attach(stage.as_("customer"), booking), 201)
    other = await make_stage(api, stage.engine, Policy())
    elsewhere = await other.settled(await other.book(), "assigned")
    for caller in (other.as_("owner"), other.as_("customer"), stage.as_("ben")):
        problem(await caller.get(path(booking)), 404, "not_found")
        problem(await caller.get(f"{path(booking)}/{file['id']}"), 404, "not_found")
        problem(await caller.send("DELETE", f"{path(booking)}/{file['id']}"), 404, "not_found")
        problem(await attach(caller, booking), 404, "not_found")
    problem(await other.as_("owner").get(f"{path(elsewhere)}/{file['id']}"), 404, "not_found")
    problem(await attach(api, booking), 401, "unauthenticated")
    assert await states(stage) == ["stored"]


async def test_a_guest_attaches_reads_and_takes_away_their_own(stage: Stage, api: ApiClient) -> None:
    who = {"name": "Gus Guest", "email": f"{uuid4().hex}@example.com"}
    starts_at = stage.next_start()
    booked = ok(await api.book(stage.tenant, starts_at=starts_at, customer=who), 201)
    guest = api.with_token(booked["manage"]["token"])
    file = ok(await attach(guest, booked), 201)
    assert (await guest.get(f"{path(booked)}/{file['id']}")).content == PDF
    assert (await guest.send("DELETE", f"{path(booked)}/{file['id']}")).status_code == 204


@pytest.mark.parametrize(
    "kind", ["text/html", "image/svg+xml", "application/json", "application/octet-stream", "", "application/pdf2"]
)
async def test_what_is_of_no_type_that_may_be_attached_is_415(stage: Stage, booking: Json, kind: str) -> None:
    refused = await attach(stage.as_("customer"), booking, kind=kind)
    problem(refused, 415, "unsupported_media_type")
    assert "application/pdf" in refused.headers["Accept"]
    assert await states(stage) == []


async def test_parameters_of_a_type_are_not_kept(stage: Stage, booking: Json) -> None:
    file = ok(await attach(stage.as_("customer"), booking, b"a,b\n", kind="Text/CSV; charset=utf-8"), 201)
    assert file["content_type"] == "text/csv"
    read = await stage.as_("customer").get(f"{path(booking)}/{file['id']}")
    assert read.headers["Content-Type"] == "text/csv"


async def test_what_is_too_large_is_413_whether_it_says_so_or_not(stage: Stage, booking: Json) -> None:
    async def unannounced() -> Any:
        for _ in range(11):
            yield b"x" * 1024 * 1024

    customer = stage.as_("customer")
    problem(await attach(customer, booking, b"x" * (MOST + 1)), 413, "payload_too_large")
    problem(await attach(customer, booking, unannounced()), 413, "payload_too_large")
    problem(await attach(customer, booking, b""), 422, "invalid_request")
    assert await states(stage) == []
    assert ok(await attach(customer, booking, b"x" * MOST), 201)["size_bytes"] == MOST


@pytest.mark.parametrize(
    "name",
    [
        *("../../etc/passwd", "..", ".", "a/b.pdf", "C:\\fakepath\\a.pdf", "a\x00.pdf", "a\r\nSet-Cookie: x.pdf"),
        *("\u202efdp.exe", "a\u2028b", "x" * 201, " "),
    ],
)
async def test_a_name_that_plays_tricks_is_refused(stage: Stage, booking: Json, name: str) -> None:
    problem(await attach(stage.as_("customer"), booking, name=name), 422, "invalid_request")
    assert await states(stage) == []


@pytest.mark.parametrize(
    ("name", "kept", "header"),
    [
        ("水漏れ 📷.png", "水漏れ 📷.png", "filename*=UTF-8''%E6%B0%B4%E6%BC%8F%E3%82%8C%20%F0%9F%93%B7.png"),
        ("re\u0301sume\u0301.pdf", "r\xe9sum\xe9.pdf", "filename*=UTF-8''r%C3%A9sum%C3%A9.pdf"),
        ('a";b=.pdf', 'a";b=.pdf', 'attachment; filename="a__b_.pdf"'),
        ("...pdf", "...pdf", 'filename="...pdf"'),
    ],
)
async def test_a_name_in_any_script_is_kept_and_told_safely(
    stage: Stage, booking: Json, name: str, kept: str, header: str
) -> None:
    file = ok(await attach(stage.as_("customer"), booking, name=name), 201)
    assert file["name"] == kept
    read = await stage.as_("customer").get(f"{path(booking)}/{file['id']}")
    assert header in read.headers["Content-Disposition"]
    assert read.headers["Content-Disposition"].isascii()


async def test_the_same_key_attaches_once(stage: Stage, booking: Json) -> None:
    customer = stage.as_("customer")
    first = await attach(customer, booking, key="k-1", name="a.pdf")
    again = await attach(customer, booking, key="k-1", name="a.pdf")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Location"] == first.headers["Location"]
    problem(await attach(customer, booking, b"%PDF else", key="k-1", name="a.pdf"), 422, "idempotency_key_reused")
    assert await states(stage) == ["stored"]
    assert (await customer.get(first.headers["Location"])).content == PDF


async def test_a_store_that_cannot_be_reached_is_told_and_nothing_is_shown(
    stage: Stage, booking: Json, settings: Settings, s3_url: str
) -> None:
    await use_s3(stage, settings, s3_url)
    file = ok(await attach(stage.as_("customer"), booking), 201)
    async with stage.engine.begin() as conn:
        await conn.execute(ELSEWHERE, {"id": stage.tenant.business_id, "url": "http://127.0.0.1:1"})
    refused = await attach(stage.as_("customer"), booking)
    problem(refused, 503, "storage_unavailable")
    assert refused.headers["Retry-After"]
    problem(await stage.as_("customer").get(f"{path(booking)}/{file['id']}"), 503, "storage_unavailable")
    assert len(ok(await stage.as_("customer").get(path(booking)))["items"]) == 1


async def test_what_a_crash_has_left_over_is_tidied_up(
    stage: Stage, booking: Json, settings: Settings, s3_url: str
) -> None:
    bucket = await use_s3(stage, settings, s3_url)
    kept = ok(await attach(stage.as_("customer"), booking), 201)
    left = await cut_short(stage, booking, settings)
    await OrphanedFiles(stage.engine, settings).purge()
    assert await states(stage) == ["stored", "uploading"]  # it may still be under way
    await OrphanedFiles(stage.engine, settings, cut_short=timedelta()).purge()
    assert await states(stage) == ["stored"]
    assert [key.rsplit("/", 1)[-1] for key in keys_in(s3_url, bucket)] == [kept["id"]]
    with pytest.raises(StorageError, match="missing"):
        async with Storages(settings).of(await store_of(stage)).read(left):
            pass


async def test_a_store_that_hangs_keeps_nobody_else_s_files_from_being_tidied_up(
    stage: Stage, booking: Json, settings: Settings, s3_url: str, api: ApiClient
) -> None:
    called = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.set()
        await reader.read()  # until it is given up
        writer.close()

    hanging = await asyncio.start_server(hang, "127.0.0.1", 0)
    await use_s3(stage, settings, s3_url)
    await cut_short(stage, booking, settings)  # the first of all, by its id
    nowhere = f"http://127.0.0.1:{hanging.sockets[0].getsockname()[1]}"
    async with stage.engine.begin() as conn:
        await conn.execute(ELSEWHERE, {"id": stage.tenant.business_id, "url": nowhere})
    other = await make_stage(api, stage.engine, Policy())
    await use_s3(other, settings, s3_url)
    await cut_short(other, await other.settled(await other.book(), "assigned"), settings)
    async with hanging:
        patience = timedelta(seconds=0.5)
        await OrphanedFiles(stage.engine, settings, cut_short=timedelta(), patience=patience).purge()
    assert called.is_set()
    assert await states(stage) == ["uploading"]
    assert await states(other) == []


async def cut_short(stage: Stage, booking: Json, settings: Settings) -> str:
    """As if the API had been killed between the content and the row; the key of what it stored."""
    new = NewFile(
        id=new_id(),
        booking_id=UUID(booking["id"]),
        name="a.pdf",
        content_type="application/pdf",
        size_bytes=len(PDF),
        sha256="0" * 64,
        storage="s3",
        storage_key=f"businesses/{stage.tenant.business_id}/attachments/{new_id()}",
        uploaded_by=None,
    )
    async with stage.engine.begin() as conn:
        assert await attachments.add(conn, stage.tenant.business_id, new, most=50)
    await put_pdf(stage, settings, new.storage_key)
    return new.storage_key


async def put_pdf(stage: Stage, settings: Settings, key: str) -> None:
    await Storages(settings).of(await store_of(stage)).put(key, io.BytesIO(PDF), len(PDF), "application/pdf")


async def store_of(stage: Stage) -> Any:
    async with stage.engine.connect() as conn:
        return await integrations.open_one(conn, stage.tenant.business_id, Port.STORAGE, Vendor.S3)


async def test_a_booking_has_so_many_files_and_no_more(stage: Stage, booking: Json) -> None:
    customer = stage.as_("customer")
    file = ok(await attach(customer, booking), 201)
    async with stage.engine.begin() as conn:
        copies = text("""
            INSERT INTO attachments (id, business_id, booking_id, state, name, content_type, size_bytes, sha256,
                                     storage, storage_key)
            SELECT uuidv7(), business_id, booking_id, state, name, content_type, size_bytes, sha256, storage,
                   storage_key
            FROM attachments, generate_series(2, 50) WHERE id = :id""")
        await conn.execute(copies, {"id": UUID(file["id"])})
    problem(await attach(customer, booking), 409, "too_many_files")
    assert (await customer.send("DELETE", f"{path(booking)}/{file['id']}")).status_code == 204
    ok(await attach(customer, booking), 201)


async def test_attaching_and_taking_away_are_in_the_audit_log_with_the_file(stage: Stage, booking: Json) -> None:
    file = ok(await attach(stage.as_("customer"), booking, name="secret-name.pdf"), 201)
    await stage.as_("owner").send("DELETE", f"{path(booking)}/{file['id']}")
    log = await stage.as_("owner").get(f"/v1/businesses/{stage.tenant.slug}/audit-log")
    lines = [(line["action"], line["object_id"], line["outcome"]) for line in ok(log)["items"]]
    assert ("addAttachment", file["id"], "done") in lines
    assert ("deleteAttachment", file["id"], "done") in lines
    assert "secret-name" not in log.text
