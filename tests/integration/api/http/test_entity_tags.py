"""Entity tags: every single resource has one, and every change requires it."""

from tests.support.factories import future
from tests.support.stage import Json, Stage, ok, patch, problem

URL = "https://calendar.example/slots"


def home(stage: Stage) -> str:
    return f"/v1/businesses/{stage.tenant.slug}"


async def test_a_change_without_if_match_is_428_and_changes_nothing(stage: Stage) -> None:
    owner = stage.as_("owner")
    for part in ("", "/services/repair", "/providers/ana", f"/customers/{stage.tenant.customer_id}"):
        path = home(stage) + part
        before = ok(await owner.get(path))
        for missing in ({}, {"If-Match": ""}):
            refused = await owner.send("PATCH", path, {"name": "Unread"}, **missing)
            problem(refused, 428, "precondition_required")
        for other in ('"0"', "0", 'W/"x"', '"a", "b"'):
            problem(await owner.send("PATCH", path, {"name": "Unread"}, **{"If-Match": other}), 412, "stale")
        assert ok(await owner.get(path)) == before
        assert ok(await patch(owner, path, {"name": "Overwritten"}))["name"] == "Overwritten"


async def test_whoever_may_not_change_it_is_not_told_what_is_missing(stage: Stage) -> None:
    for caller, status, code in (
        (stage.api, 401, "unauthenticated"),
        (stage.as_("customer"), 404, "not_found"),
        (stage.as_("ben"), 403, "forbidden"),
    ):
        problem(await caller.send("PATCH", f"{home(stage)}/services/repair", {"name": "X"}), status, code)


async def test_what_a_write_answers_has_the_tag_that_reading_gives(stage: Stage) -> None:
    owner = stage.as_("owner")
    hours = {"weekly": [{"day": "mon", "opens": "09:00", "closes": "17:00"}]}
    area = {"areas": [{"kind": "exact", "code": "10001"}]}
    for method, part, body in (
        ("PATCH", "", {"name": "New"}),
        ("PATCH", "/services/repair", {"name": "New"}),
        ("PATCH", f"/customers/{stage.tenant.customer_id}", {"name": "New"}),
        ("PUT", "/hours", hours),
        ("PUT", "/providers/ana/hours", hours),
        ("PUT", "/areas", area),
        ("PUT", "/providers/ana/areas", area),
        ("PUT", "/external-source", {"url": URL}),
        ("POST", "/external-source/refresh", None),
    ):
        said = {"If-Match": "*"} if method == "PATCH" else {}
        written = await owner.send(method, home(stage) + part, body, **said)
        assert written.is_success, written.text
        read = await owner.get(home(stage) + part.removesuffix("/refresh"))
        assert (read.headers["ETag"], read.json()) == (written.headers["ETag"], written.json()), part
    member = f"/members/{stage.tenant.principals['customer'].user_id}"
    assert (await owner.send("PUT", home(stage) + member, {"role": "admin"})).headers["ETag"]


async def test_a_replacement_minds_the_tag_that_it_is_given(stage: Stage) -> None:
    owner = stage.as_("owner")
    day = f"/exceptions/{future(1000).date()}"
    closed: Json = {"kind": "closed"}
    for part, body, other in (
        (day, closed, closed | {"name": "Holiday"}),
        (f"/providers/ana{day}", closed, closed | {"name": "Holiday"}),
        ("/external-source", {"url": URL}, {"url": f"{URL}/other"}),
    ):
        path = home(stage) + part
        for tag in ("*", '"none"'):
            problem(await owner.send("PUT", path, body, **{"If-Match": tag}), 412, "stale")
        first = await owner.send("PUT", path, body)
        read = {"If-Match": first.headers["ETag"]}
        second = await owner.send("PUT", path, other, **read)
        assert ok(second) != ok(first)
        problem(await owner.send("PUT", path, body, **read), 412, "stale")
        ok(await owner.send("PUT", path, body, **{"If-Match": "*"}))


async def test_another_token_of_a_source_is_another_tag_though_it_is_not_shown(stage: Stage) -> None:
    owner, path = stage.as_("owner"), f"{home(stage)}/external-source"
    tags = set()
    for token in ("one", "two"):
        answer = await owner.send("PUT", path, {"url": URL, "token": token})
        assert token not in answer.text.replace("calendar", "")
        tags.add(answer.headers["ETag"])
    assert len(tags) == 2
