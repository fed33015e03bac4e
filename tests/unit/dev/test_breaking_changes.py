"""What breaks clients of the published contract, and what does not."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from dev.breaking_changes import find_breaks

Json = dict[str, Any]

PUBLISHED: Json = {
    "paths": {
        "/things": {
            "post": {
                "operationId": "createThing",
                "security": [{}, {"bearer": []}],
                "x-permission": "book",
                "parameters": [
                    {"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": 200}},
                    {"in": "header", "name": "Key", "required": True, "schema": {"type": "string"}},
                ],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/In"}}}},
                "responses": {
                    "201": {
                        "headers": {"ETag": {"required": True, "schema": {"type": "string"}}},
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Out"}}},
                    },
                    "404": {"$ref": "#/components/responses/404"},
                },
            }
        }
    },
    "components": {
        "responses": {"404": {"content": {"application/problem+json": {"schema": {"enum": ["not_found"]}}}}},
        "schemas": {
            "In": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "maxLength": 200},
                    "size": {"enum": ["s", "m"], "type": "string"},
                    "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "at": {"type": "string", "format": "date-time"},
                    "tags": {"type": "object", "additionalProperties": {"type": "string"}},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/In"}},
                },
            },
            "Out": {
                "type": "object",
                "required": ["id", "state"],
                "properties": {
                    "id": {"type": "string", "format": "uuid"},
                    "state": {"enum": ["open", "done"], "type": "string"},
                    "parent": {"$ref": "#/components/schemas/Out"},
                },
            },
        },
    },
}


def after(change: Callable[[Json, Json, Json], Any]) -> list[str]:
    """What breaks when the change is made to the operation, the shape that it takes or the one that it answers."""
    now = copy.deepcopy(PUBLISHED)
    schemas = now["components"]["schemas"]
    change(now["paths"]["/things"]["post"], schemas["In"], schemas["Out"])
    return find_breaks(PUBLISHED, now)


BREAKING: dict[str, tuple[Callable[[Json, Json, Json], Any], str]] = {
    "operation renamed": (lambda op, _i, _o: op.update(operationId="makeThing"), "is now 'makeThing'"),
    "credentials needed": (lambda op, _i, _o: op.update(security=[{"bearer": []}]), "credentials are now needed"),
    "permission changed": (lambda op, _i, _o: op.update({"x-permission": "hold"}), "needs hold instead of book"),
    "scope added": (lambda op, _i, _o: op.update({"x-scope": "book"}), "needs book instead of nothing"),
    "parameter removed": (lambda op, _i, _o: op["parameters"].pop(0), "limit (query) removed"),
    "parameter required": (
        lambda op, _i, _o: op["parameters"][0].update(required=True),
        "limit (query) is now req",
    ),
    "required parameter added": (
        lambda op, _i, _o: op["parameters"].append(
            {"in": "query", "name": "q", "required": True, "schema": {"type": "string"}}
        ),
        "q (query) is now required",
    ),
    "parameter narrowed": (
        lambda op, _i, _o: op["parameters"][0]["schema"].update(maximum=100),
        "limit (query): maximum is now 100",
    ),
    "body required": (lambda op, _i, _o: op["requestBody"].update(required=True), "a body is now required"),
    "body removed": (lambda op, _i, _o: op.pop("requestBody"), "no longer takes application/json"),
    "status removed": (lambda op, _i, _o: op["responses"].pop("404"), "404 removed"),
    "header removed": (lambda op, _i, _o: op["responses"]["201"].pop("headers"), "header ETag removed"),
    "header optional": (
        lambda op, _i, _o: op["responses"]["201"]["headers"]["ETag"].pop("required"),
        "header ETag may now be missing",
    ),
    "media type removed": (
        lambda op, _i, _o: op["responses"]["201"].update(content={"text/csv": {}}),
        "no longer answered as application/json",
    ),
    "member required": (lambda _p, i, _o: i["required"].append("at"), "body.at: is now required"),
    "member no longer taken": (lambda _p, i, _o: i["properties"].pop("note"), "body.note: removed"),
    "unknown members refused": (lambda _p, i, _o: i.update(additionalProperties=False), "further members"),
    "longest shortened": (lambda _p, i, _o: i["properties"]["name"].update(maxLength=100), "maxLength is now 100"),
    "shortest prescribed": (lambda _p, i, _o: i["properties"]["name"].update(minLength=1), "minLength is now 1"),
    "pattern prescribed": (lambda _p, i, _o: i["properties"]["name"].update(pattern="^x"), "pattern is now ^x"),
    "type taken changed": (
        lambda _p, i, _o: i["properties"]["name"].update(type="integer"),
        "body.name: no longer takes string",
    ),
    "null no longer taken": (
        lambda _p, i, _o: i["properties"].update(note={"type": "string"}),
        "body.note: no longer takes null",
    ),
    "value no longer taken": (
        lambda _p, i, _o: i["properties"]["size"]["enum"].pop(),
        "body.size: no longer takes m",
    ),
    "any value to a list": (lambda _p, i, _o: i["properties"]["name"].update(enum=["x"]), "takes other values"),
    "format prescribed": (lambda _p, i, _o: i["properties"]["name"].update(format="uuid"), "format is now uuid"),
    "map narrowed": (
        lambda _p, i, _o: i["properties"]["tags"]["additionalProperties"].update(type="integer"),
        "body.tags.*: no longer takes string",
    ),
    "answered member removed": (lambda _p, _i, o: o["properties"].pop("id"), "201.id: removed"),
    "answered member optional": (lambda _p, _i, o: o["required"].remove("id"), "201.id: may now be missing"),
    "answered null": (
        lambda _p, _i, o: o["properties"].update(id={"anyOf": [o["properties"]["id"], {"type": "null"}]}),
        "201.id: may now be null",
    ),
    "answered type changed": (
        lambda _p, _i, o: o["properties"].update(id={"type": "integer"}),
        "may now be integer",
    ),
    "answered format gone": (lambda _p, _i, o: o["properties"]["id"].pop("format"), "format is no longer uuid"),
    "answered value new": (lambda _p, _i, o: o["properties"]["state"]["enum"].append("lost"), "may now be lost"),
}


@pytest.mark.parametrize("name", BREAKING)
def test_what_breaks_clients_is_named(name: str) -> None:
    change, said = BREAKING[name]
    found = after(change)
    assert len(found) == 1, found
    assert said in found[0]
    assert found[0].startswith("POST /things")


def test_a_removed_operation_breaks() -> None:
    assert find_breaks(PUBLISHED, {"paths": {}, "components": {}}) == ["POST /things: removed"]


ADDITIVE: dict[str, Callable[[Json, Json, Json], Any]] = {
    "nothing": lambda _p, _i, _o: None,
    "optional parameter": lambda op, _i, _o: op["parameters"].append(
        {"in": "query", "name": "q", "schema": {"type": "string"}}
    ),
    "parameter no longer required": lambda op, _i, _o: op["parameters"][1].pop("required"),
    "wider parameter": lambda op, _i, _o: op["parameters"][0]["schema"].update(maximum=500),
    "nobody is asked any more": lambda op, _i, _o: op.update(security=[]),
    "another error": lambda op, _i, _o: op["responses"].update({"409": {"description": "Conflict"}}),
    "optional member taken": lambda _p, i, _o: i["properties"].update(colour={"type": "string"}),
    "member no longer required": lambda _p, i, _o: i["required"].remove("name"),
    "null taken": lambda _p, i, _o: i["properties"].update(
        at={"anyOf": [i["properties"]["at"], {"type": "null"}]}
    ),
    "further value taken": lambda _p, i, _o: i["properties"]["size"]["enum"].append("l"),
    "member answered": lambda _p, _i, o: o["properties"].update(extra={"type": "integer"}),
    "value no longer answered": lambda _p, _i, o: o["properties"]["state"]["enum"].pop(),
    "texts": lambda op, _i, o: (op.update(description="other"), o.update(description="other", title="T")),
}


@pytest.mark.parametrize("name", ADDITIVE)
def test_what_only_adds_breaks_nobody(name: str) -> None:
    assert after(ADDITIVE[name]) == []
