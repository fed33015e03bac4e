"""Members of a business: granting and revoking roles; the last owner stays."""

import asyncio
from uuid import UUID

from sqlalchemy import text

from db.engine import autocommit
from domain.callers import Principal
from runtime.ids import new_id
from tests.support.api_client import ApiClient
from tests.support.factories import add_user
from tests.support.stage import PATIENCE_SECONDS, Stage, ok, problem


def at(stage: Stage, *parts: object) -> str:
    return "/".join(["/v1/businesses", stage.tenant.slug, "members", *(str(part) for part in parts)])


async def somebody(stage: Stage) -> tuple[UUID, ApiClient]:
    """A user without a role."""
    async with stage.engine.begin() as conn:
        user_id = await add_user(conn, "Pat")
    return user_id, stage.api.as_(Principal(user_id=user_id))


async def roles(stage: Stage) -> list[tuple[str, str]]:
    """Each role with the name of who has it."""
    items = ok(await stage.as_("admin").get(at(stage)))["items"]
    return [(item["role"], item["name"]) for item in items]


STAFF = [("admin", "admin"), ("owner", "owner"), ("provider", "provider"), ("provider", "provider")]


async def test_the_desk_reads_who_has_which_role(stage: Stage) -> None:
    answer = await stage.as_("owner").get(at(stage))
    items = ok(answer)["items"]
    assert [(item["role"], item["name"]) for item in items] == STAFF
    assert set(items[0]) == {"user_id", "name", "role", "provider_id", "created_at"}
    assert {item["provider_id"] for item in items[2:]} == {str(one) for one in stage.tenant.providers.values()}
    assert answer.headers["Cache-Control"] == "private, no-cache"


async def test_a_role_is_given_and_taken_however_often_that_is_asked(stage: Stage) -> None:
    owner, (user_id, pat) = stage.as_("owner"), await somebody(stage)
    problem(await pat.get(at(stage)), 404, "not_found")
    given = [ok(await owner.send("PUT", at(stage, user_id), {"role": "admin"})) for _ in range(2)]
    assert given[0] == given[1]
    assert (given[0]["user_id"], given[0]["role"]) == (str(user_id), "admin")
    assert ("admin", "Pat") in await roles(stage)
    ok(await pat.get(at(stage)))
    for _ in range(2):
        answer = await owner.send("DELETE", at(stage, user_id, "admin"))
        assert (answer.status_code, answer.content) == (204, b"")
    problem(await pat.get(at(stage)), 404, "not_found")
    assert await roles(stage) == STAFF


async def test_only_owners_make_and_unmake_owners(stage: Stage) -> None:
    admin, people = stage.as_("admin"), stage.tenant.principals
    user_id, pat = await somebody(stage)
    problem(await admin.send("PUT", at(stage, user_id), {"role": "owner"}), 403, "forbidden")
    problem(await admin.send("DELETE", at(stage, people["owner"].user_id, "owner")), 403, "forbidden")
    assert await roles(stage) == STAFF
    ok(await admin.send("PUT", at(stage, user_id), {"role": "admin"}))
    ok(await stage.as_("owner").send("PUT", at(stage, user_id), {"role": "owner"}))
    assert (await pat.send("DELETE", at(stage, people["owner"].user_id, "owner"))).status_code == 204
    problem(await stage.as_("owner").get(at(stage)), 404, "not_found")


async def test_the_last_owner_stays(stage: Stage) -> None:
    owner, me = stage.as_("owner"), stage.tenant.principals["owner"].user_id
    problem(await owner.send("DELETE", at(stage, me, "owner")), 409, "last_owner")
    user_id, _ = await somebody(stage)
    ok(await owner.send("PUT", at(stage, user_id), {"role": "owner"}))
    async with stage.engine.begin() as conn:  # who cannot log in runs no business
        await conn.execute(text("UPDATE users SET active = false WHERE id = :id"), {"id": user_id})
    problem(await owner.send("DELETE", at(stage, me, "owner")), 409, "last_owner")
    assert (await owner.send("DELETE", at(stage, user_id, "owner"))).status_code == 204
    assert await roles(stage) == STAFF


async def waiting(stage: Stage) -> int:
    """How many connections wait for a lock."""
    query = text("SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0")
    async with autocommit(stage.engine) as conn:
        return int((await conn.execute(query)).scalar_one())


async def test_of_two_owners_who_unmake_each_other_one_stays(stage: Stage) -> None:
    owner, (user_id, pat) = stage.as_("owner"), await somebody(stage)
    ok(await owner.send("PUT", at(stage, user_id), {"role": "owner"}))
    async with asyncio.timeout(PATIENCE_SECONDS), stage.engine.begin() as conn:
        lock = text("SELECT FROM businesses WHERE id = :id FOR UPDATE")
        await conn.execute(lock, {"id": stage.tenant.business_id})
        both = asyncio.gather(
            owner.send("DELETE", at(stage, user_id, "owner")),
            pat.send("DELETE", at(stage, stage.tenant.principals["owner"].user_id, "owner")),
        )
        while await waiting(stage) < 2:  # both have been let in, and neither has looked who owns the business
            await asyncio.sleep(0.01)
    assert sorted(answer.status_code for answer in await both) == [204, 403]
    assert [role for role, _ in await roles(stage)].count("owner") == 1


async def test_a_role_for_nobody_or_of_another_kind_is_refused(stage: Stage) -> None:
    owner, (user_id, _) = stage.as_("owner"), await somebody(stage)
    problem(await owner.send("PUT", at(stage, new_id()), {"role": "admin"}), 404, "not_found")
    for body in ({"role": "provider"}, {"role": "customer"}, {}, {"role": "admin", "x": 1}):
        problem(await owner.send("PUT", at(stage, user_id), body), 422, "invalid_request")
    problem(await owner.send("PUT", at(stage, "not-an-id"), {"role": "admin"}), 422, "invalid_request")
    ana = stage.tenant.principals["ana"].user_id
    problem(await owner.send("DELETE", at(stage, ana, "provider")), 422, "invalid_request")
    assert await roles(stage) == STAFF
