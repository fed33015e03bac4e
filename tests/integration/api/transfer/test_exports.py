"""Stored exports: created once, read again, and only for the desk."""

from db.models import Customer
from domain.policies import Policy
from tests.support.api_client import ApiClient
from tests.support.stage import Stage, make_stage, ok, problem


def path(stage: Stage) -> str:
    return f"/v1/businesses/{stage.tenant.slug}/exports"


async def test_an_export_is_kept_as_it_was_and_can_be_taken_in_again(stage: Stage) -> None:
    owner = stage.as_("owner")
    first = await owner.post(path(stage), **{"Idempotency-Key": "e-1"})
    kept = ok(first, 201)
    assert (kept["content_type"], kept["name"].startswith(stage.tenant.slug)) == ("application/json", True)
    await stage.change(Customer, name="Somebody Else")
    again = await owner.post(path(stage), **{"Idempotency-Key": "e-1"})
    assert again.content == first.content
    assert ok(await owner.get(path(stage)))["items"] == [kept]
    read = await owner.get(first.headers["Location"])
    assert len(read.content) == kept["size_bytes"]
    assert read.headers["Content-Disposition"].startswith("attachment;")
    document = ok(read)
    assert [customer["name"] for customer in document["customers"]] == ["Casey Customer"]
    report = await owner.post(f"/v1/businesses/{stage.tenant.slug}/import?dry_run=true", document)
    assert ok(report)["dry_run"]
    assert (await owner.send("DELETE", first.headers["Location"])).status_code == 204
    problem(await owner.get(first.headers["Location"]), 404, "not_found")
    assert await stage.count("attachments") == 0


async def test_an_export_is_for_the_desk_of_its_business(stage: Stage, api: ApiClient) -> None:
    kept = ok(await stage.as_("owner").post(path(stage)), 201)
    other = await make_stage(api, stage.engine, Policy())
    for caller, status, code in (
        (api, 401, "unauthenticated"),
        (stage.as_("customer"), 404, "not_found"),
        (other.as_("owner"), 404, "not_found"),
        (stage.as_("ana"), 403, "forbidden"),
    ):
        problem(await caller.post(path(stage)), status, code)
        problem(await caller.get(path(stage)), status, code)
        problem(await caller.get(f"{path(stage)}/{kept['id']}"), status, code)
        problem(await caller.send("DELETE", f"{path(stage)}/{kept['id']}"), status, code)
    problem(await other.as_("owner").get(f"{path(other)}/{kept['id']}"), 404, "not_found")
    booking = await stage.book()
    problem(
        await stage.as_("owner").get(f"/v1/bookings/{booking['id']}/attachments/{kept['id']}"), 404, "not_found"
    )
