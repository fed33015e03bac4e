"""Properties of the OpenAPI document that schemathesis does not check."""

import re
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from api.access import permission_of
from api.app import create_app
from api.errors import PROBLEM_JSON
from api.openapi.document import operations_of
from api.openapi.examples import EXAMPLES
from api.openapi.problems import PARTICULAR, every_code
from domain.access import PERMITTED, Permission
from domain.callers import CallerKind
from runtime.settings import Settings

Json = dict[str, Any]

APP: Final = create_app(Settings())
DOCUMENT: Final = APP.openapi()
OPERATIONS: Final = list(operations_of(DOCUMENT).values())
GUIDE: Final = Path(__file__).parents[3] / "docs" / "api.md"
NOT_OF_AN_OPERATION: Final = {"method_not_allowed"}
"""Answered where there is no operation."""


def answered(operation: Json) -> set[str]:
    """The codes that an operation can answer."""
    known = DOCUMENT["components"]["responses"]
    responses = [
        known[one["$ref"].rsplit("/", 1)[-1]] if "$ref" in one else one for one in operation["responses"].values()
    ]
    problems = [one["content"][PROBLEM_JSON] for one in responses if PROBLEM_JSON in one.get("content", {})]
    return {code for problem in problems for code in problem["examples"]}


def test_every_operation_has_an_id_of_its_own_and_is_described() -> None:
    ids = [operation["operationId"] for operation in OPERATIONS]
    assert len(set(ids)) == len(ids) > 80
    assert [one for one in ids if not re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", one)] == []
    described = {tag["name"] for tag in DOCUMENT["tags"]}
    for operation in OPERATIONS:
        assert operation["summary"], operation["operationId"]
        assert operation["description"], operation["operationId"]
        assert set(operation["tags"]) <= described, operation["operationId"]
        assert len(operation["tags"]) == 1, operation["operationId"]


def test_every_route_is_in_the_document_with_its_permission_and_what_it_takes_to_prove_it() -> None:
    by_id = {operation["operationId"]: operation for operation in OPERATIONS}
    found = [c.original_route for c in iter_route_contexts(APP.routes) if isinstance(c.original_route, APIRoute)]
    # OpenAPI has one operation for a path and method: the stream of `/v1/events` is described with its JSON form.
    routes = [route for route in found if route.operation_id != "streamEvents"]
    assert {route.operation_id for route in routes} == set(by_id)
    for route in routes:
        permission, operation = permission_of(route), by_id[str(route.operation_id)]
        assert permission is not None
        rule = PERMITTED[permission]
        assert operation["x-permission"] == permission
        assert operation.get("x-scope") == rule.scope
        if CallerKind.ANONYMOUS not in rule.kinds:
            assert operation["security"] == [{"bearer": []}]
        else:
            assert operation["security"] in ([], [{}, {"bearer": []}])


def test_every_code_is_answered_by_some_operation_and_explained_in_the_guide() -> None:
    codes = {code.code for code in every_code()}
    assert codes - set().union(*(answered(operation) for operation in OPERATIONS)) == NOT_OF_AN_OPERATION
    guide = GUIDE.read_text()
    assert sorted(code for code in codes if f"`{code}`" not in guide) == []
    assert sorted(code for code in codes if f"`{code}`" not in DOCUMENT["info"]["description"]) == []


def test_what_operations_have_in_common_follows_from_what_they_are() -> None:
    for operation in OPERATIONS:
        codes, permission = answered(operation), Permission(operation["x-permission"])
        given = {(one["in"], one["name"]): one.get("required", False) for one in operation.get("parameters", ())}
        assert {"internal_error", "database_unavailable", "invalid_request"} <= codes
        assert ("unauthenticated" in codes) >= (operation["security"] != [])
        assert ("not_found" in codes) >= any(where == "path" for where, _ in given)
        assert ("forbidden" in codes) >= (CallerKind.ANONYMOUS not in PERMITTED[permission].kinds)
        assert ("invalid_cursor" in codes) == (("query", "cursor") in given)
        assert ("stale" in codes) == (("header", "If-Match") in given)
        assert ("precondition_required" in codes) == given.get(("header", "If-Match"), False)
        assert ("idempotency_key_reused" in codes) == (("header", "Idempotency-Key") in given)
        assert ("payload_too_large" in codes) == ("requestBody" in operation)


def test_what_operations_answer_beyond_is_said_of_operations_that_there_are() -> None:
    assert set(PARTICULAR) <= {operation["operationId"] for operation in OPERATIONS}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_one_of_what_it_shows(name: str) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    errors = [str(error) for error in jsonschema_rs.validator_for(schema).iter_errors(EXAMPLES[name])]
    assert errors == []


def test_nothing_in_the_document_leads_nowhere() -> None:
    names = re.findall(r'"#/components/(\w+)/([^"]+)"', str(DOCUMENT).replace("'", '"'))
    assert len(names) > 500
    missing = {(kind, name) for kind, name in names if name not in DOCUMENT["components"][kind]}
    assert missing == set()
    used = {name for kind, name in names if kind == "responses"}
    assert used == set(DOCUMENT["components"]["responses"])
