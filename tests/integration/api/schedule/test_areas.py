"""Service areas of businesses and providers: postal codes by code, prefix and range."""

from tests.support.factories import make_tenant
from tests.support.stage import Json, Stage, ok, problem

CODES: list[Json] = [
    {"kind": "range", "from": "1000-1", "to": "1029 9"},
    {"kind": "exact", "code": "sw1a 1aa"},
    {"kind": "prefix", "code": "ec\N{FULLWIDTH DIGIT ONE}"},
    {"kind": "exact", "code": "SW1A1AA"},
]
PLAIN: list[Json] = [
    {"kind": "range", "from": "10001", "to": "10299"},
    {"kind": "prefix", "code": "EC1"},
    {"kind": "exact", "code": "SW1A1AA"},
]


def path(stage: Stage, provider: object = None) -> str:
    part = "" if provider is None else f"/providers/{provider}"
    return f"/v1/businesses/{stage.tenant.slug}{part}/areas"


async def test_areas_that_are_put_come_back_in_their_plain_form(stage: Stage) -> None:
    assert ok(await stage.api.get(path(stage))) == {"areas": []}
    for areas in (CODES, PLAIN):
        assert ok(await stage.as_("owner").send("PUT", path(stage), {"areas": areas})) == {"areas": PLAIN}
    assert ok(await stage.api.get(path(stage))) == {"areas": PLAIN}
    many = [{"kind": "exact", "code": f"{number:05}"} for number in range(2000)]
    assert ok(await stage.as_("owner").send("PUT", path(stage), {"areas": many})) == {"areas": many}
    assert ok(await stage.as_("owner").send("PUT", path(stage), {"areas": []})) == {"areas": []}


async def test_a_provider_goes_where_the_business_does_until_they_have_areas_of_their_own(stage: Stage) -> None:
    owner, own = stage.as_("owner"), [{"kind": "prefix", "code": "EC"}]
    ok(await owner.send("PUT", path(stage), {"areas": PLAIN}))
    assert ok(await stage.api.get(path(stage, "ana"))) == {"areas": PLAIN, "own": False}
    answer = ok(await owner.send("PUT", path(stage, stage.tenant.providers["ana"]), {"areas": own}))
    assert answer == {"areas": own, "own": True} == ok(await stage.api.get(path(stage, "ana")))
    assert ok(await stage.api.get(path(stage, "ben"))) == {"areas": PLAIN, "own": False}
    assert ok(await stage.api.get(path(stage))) == {"areas": PLAIN}
    assert ok(await owner.send("PUT", path(stage, "ana"), {"areas": []})) == {"areas": PLAIN, "own": False}


IMPOSSIBLE = [
    ({"kind": "range", "from": "10299", "to": "10001"}, "10299 to 10001 is no range"),
    ({"kind": "range", "from": "1001", "to": "10299"}, "1001 to 10299 is no range"),
    ({"kind": "range", "code": "10001"}, "a range has from and to"),
    ({"kind": "range", "from": "10001"}, "a range has from and to"),
    ({"kind": "exact", "from": "10001", "to": "10299"}, "'exact' has a code"),
    ({"kind": "prefix", "code": "1", "to": "2"}, "'prefix' has a code"),
    ({"kind": "near", "code": "10001"}, "kind"),
    ({"kind": "exact", "code": " - "}, "postal code"),
    ({"kind": "exact", "code": "100%"}, "postal code"),
    ({"kind": "exact", "code": "\N{CIRCLED HANGUL KIYEOK A}0001"}, "postal code"),
    ({"kind": "exact", "code": "1" * 21}, "code"),
    ({"kind": "exact", "code": "\N{LATIN SMALL LETTER SHARP S}" * 20}, "postal code"),
]


async def test_areas_that_cannot_be_are_refused_and_nothing_is_stored(stage: Stage) -> None:
    ok(await stage.as_("owner").send("PUT", path(stage), {"areas": PLAIN}))
    for area, said in IMPOSSIBLE:
        answer = await stage.as_("owner").send("PUT", path(stage), {"areas": [*PLAIN, area]})
        assert said in problem(answer, 422, "invalid_request")["detail"]
    areas = [{"kind": "exact", "code": str(number)} for number in range(2001)]
    problem(await stage.as_("owner").send("PUT", path(stage), {"areas": areas}), 422, "invalid_request")
    assert ok(await stage.api.get(path(stage)))["areas"] == PLAIN


async def test_areas_are_for_the_desk_to_change(stage: Stage) -> None:
    other = await make_tenant(stage.engine)
    for where in (path(stage), path(stage, "ana")):
        for client, status, code in (
            (stage.api, 401, "unauthenticated"),
            (stage.api.as_(other.principals["owner"]), 404, "not_found"),
            (stage.as_("customer"), 404, "not_found"),
            (stage.as_("ana"), 403, "forbidden"),
        ):
            problem(await client.send("PUT", where, {"areas": PLAIN}), status, code)
    assert await stage.count("service_areas") == 0


async def test_a_change_may_ask_that_nobody_else_has_changed_the_areas(stage: Stage) -> None:
    answer = await stage.api.get(path(stage))
    assert answer.headers["Cache-Control"] == "public, max-age=600"
    matching = {"If-Match": answer.headers["ETag"]}
    ok(await stage.as_("owner").send("PUT", path(stage), {"areas": PLAIN}, **matching))
    problem(await stage.as_("owner").send("PUT", path(stage), {"areas": []}, **matching), 412, "stale")
