"""Numbers, booleans and instants in bodies must have exactly the contract's types.

Made from the OpenAPI document, so that a member that is added later is tried too.
"""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import ValidationError

from api.app import create_app
from api.businesses.policies import changed_policy
from domain.effects import Vendor
from domain.integrations import CONNECTIONS
from runtime.settings import Settings

Json = dict[str, Any]
Place = tuple[str | int, ...]

APP: Final = create_app(Settings())
DOCUMENT: Final = APP.openapi()
ROUTES: Final = {
    route.operation_id: route
    for route in (context.original_route for context in iter_route_contexts(APP.routes))
    if isinstance(route, APIRoute)
}
NEARLY: Final[dict[str, tuple[Any, ...]]] = {
    "integer": (True, False, "30", "30.0", 30.0, 1e2),
    "number": (True, False, "thirty", "4,5"),
    "boolean": ("true", "False", "yes", 0, 1, 1.0),
    "date-time": (True, 1_900_000_000, 1_900_000_000.5, "1900000000", "2030-01-01"),
    "date": (True, 20_000, 19_000.0, "19000", "1900000000"),
}
"""What comes near each type or format and is none of it."""


def _members(schema: Json, place: Place = (), above: tuple[str, ...] = ()) -> Iterator[tuple[Place, str]]:
    """Where a body has what of these types."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        if name not in above:
            yield from _members(DOCUMENT["components"]["schemas"][name], place, (*above, name))
        return
    for one in (*schema.get("anyOf", ()), *schema.get("allOf", ()), *schema.get("oneOf", ())):
        yield from _members(one, place, above)
    kind = schema.get("format") if schema.get("type") == "string" else schema.get("type")
    if kind in NEARLY:
        yield place, kind
    for name, member in schema.get("properties", {}).items():
        yield from _members(member, (*place, name), above)
    if "items" in schema:
        yield from _members(schema["items"], (*place, 0), above)


def _cases() -> Iterator[tuple[str, Place, str]]:
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            content = operation.get("requestBody", {}).get("content", {})
            if "application/json" in content and ROUTES[operation["operationId"]].body_field is not None:
                for place, kind in _members(content["application/json"]["schema"]):
                    yield operation["operationId"], place, kind


CASES: Final = sorted(set(_cases()), key=str)


def _body(place: Place, value: Any) -> Any:
    """A body with nothing in it but this."""
    for part in reversed(place):
        value = [value] if isinstance(part, int) else {part: value}
    return value


def _refused(operation_id: str, body: Any) -> set[Place]:
    """The places that the operation's shape finds fault with."""
    field = ROUTES[operation_id].body_field
    assert field is not None
    _, errors = field.validate(body, {}, loc=())
    return {tuple(part for part in error["loc"] if part in _parts(body)) for error in errors or ()}


def _parts(body: Any) -> set[str | int]:
    match body:
        case dict():
            return {part for name, value in body.items() for part in (name, *_parts(value))}
        case list():
            return {part for at, value in enumerate(body) for part in (at, *_parts(value))}
    return set()


def test_there_are_such_members() -> None:
    assert {kind for _, _, kind in CASES} == set(NEARLY)
    assert {place for _, place, _ in CASES} >= {
        ("capacity",),
        ("price", "amount_minor"),
        ("policy", "auto_accept"),
    }


@pytest.mark.parametrize(("operation_id", "place", "kind"), CASES, ids=str)
def test_what_only_comes_near_is_refused(operation_id: str, place: Place, kind: str) -> None:
    for value in NEARLY[kind]:
        assert place in _refused(operation_id, _body(place, value)), value


POLICY: Final = sorted({(place, kind) for _, place, kind in CASES if place[0] == "policy"}, key=str)


@pytest.mark.parametrize(("place", "kind"), POLICY, ids=str)
def test_a_change_of_a_policy_refuses_it_as_well(place: Place, kind: str) -> None:
    """The document says no more of it than that it is an object."""
    for value in NEARLY[kind]:
        with pytest.raises((RequestValidationError, ValidationError)):
            changed_policy({}, _body(place[1:], value))


@pytest.mark.parametrize("vendor", CONNECTIONS)
def test_the_settings_of_a_vendor_refuse_it_too(vendor: Vendor) -> None:
    shape = CONNECTIONS[vendor].settings
    for name, member in shape.model_json_schema().get("properties", {}).items():
        for value in NEARLY.get(member.get("type"), ()):
            with pytest.raises(ValidationError) as refused:
                shape.model_validate({name: value})
            assert (name,) in {error["loc"] for error in refused.value.errors()}, value
