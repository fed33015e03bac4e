"""The OpenAPI document: FastAPI's own, completed with errors, permissions, headers and examples."""

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from itertools import groupby
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from api.access import permission_of
from api.openapi import headers, problems
from api.openapi.examples import EXAMPLES
from api.openapi.texts import DESCRIPTION, SERVERS, TAGS, who
from domain.access import PERMITTED, Permission
from domain.callers import CallerKind

Json = dict[str, Any]

_SCHEME: Final = "bearer"
_BEARER: Final = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT, API key or manage link's token",
    "description": "An access token of `/v1/auth/login`, an API key, or the token of a booking's manage link.",
}
_BY_MODULE: Final = re.compile(r"api__((?:[a-z]|_(?!_))+)(?:__schemas)?__([A-Z]\w*)")
_METHODS: Final = ("get", "put", "post", "patch", "delete")
_GUARDED_BY_VERSION: Final = frozenset({"rescheduleBooking", "overrideBooking"})
"""Operations that need `If-Match`, beside every `PATCH`."""
_SUCCESSES: Final = ("2", "3")
_FINDS: Final = frozenset({"createCustomer", "addConsent"})
"""Operations that answer 200 and add nothing if the resource exists already."""
_NEEDS_KEY: Final = frozenset({"createBooking"})
"""Operations that require an `Idempotency-Key`."""


def describe(app: FastAPI) -> None:
    """Make the application serve this document, built once."""

    def document() -> Json:
        if app.openapi_schema is None:
            app.openapi_schema = make_document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def make_document(app: FastAPI) -> Json:
    """The document of an application all of whose routes declare their permission."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=DESCRIPTION,
        routes=app.routes,
        tags=TAGS,
        servers=SERVERS,
    )
    components = document["components"]
    routes = {route.operation_id: route for route in _routes(app)}
    for operation in operations_of(document).values():
        _complete(operation, routes[operation["operationId"]], components)
    _complete_components(components)
    document = _with_plain_names(document)
    for name, example in EXAMPLES.items():
        document["components"]["schemas"][name]["examples"] = [example]
    return document


def operations_of(document: Json) -> dict[tuple[str, str], Json]:
    """Every operation by path and method."""
    return {
        (path, method): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in _METHODS
    }


def _routes(app: FastAPI) -> Iterator[APIRoute]:
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute):
            yield context.original_route


def _complete(operation: Json, route: APIRoute, components: Json) -> None:
    permission = permission_of(route)
    assert permission is not None
    _say_what(operation)
    _say_who(operation, permission)
    _complete_parameters(operation, route)
    _add_headers(operation)
    _add_errors(operation, permission, components)


def _say_what(operation: Json) -> None:
    """The first sentence of the description is the summary, instead of FastAPI's from the function's name."""
    first, _, _ = operation["description"].replace("\n", " ").partition(". ")
    operation["summary"] = first.rstrip(".")


def _say_who(operation: Json, permission: Permission) -> None:
    rule = PERMITTED[permission]
    operation["x-permission"] = permission.value
    if rule.scope is not None:
        operation["x-scope"] = rule.scope.value
    token: list[Json] = [] if permission in problems.UNASKED else [{_SCHEME: []}]
    is_open = CallerKind.ANONYMOUS in rule.kinds
    operation["security"] = [{}, *token] if is_open and token else token
    operation["description"] = "\n\n".join(
        part for part in (operation.get("description"), who(permission)) if part
    )


def _complete_parameters(operation: Json, route: APIRoute) -> None:
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _without_null(parameter["schema"])
    named = {parameter["name"]: parameter for parameter in operation.get("parameters", ())}
    name, methods = operation["operationId"], route.methods or set()
    if "PATCH" in methods or name in _GUARDED_BY_VERSION:
        named["If-Match"] = headers.IF_MATCH
    elif "If-Match" in named:
        named["If-Match"] |= headers.MAY_MATCH
    if name in _NEEDS_KEY:
        named["Idempotency-Key"] |= {"required": True}
    if "GET" in methods and name not in headers.UNTAGGED | headers.UNCONDITIONAL:
        named["If-None-Match"] = headers.IF_NONE_MATCH
        operation["responses"]["304"] = {"description": "You have it already, unchanged."}
    if named:
        operation["parameters"] = list(named.values())


def _without_null(schema: Json) -> Json:
    """Without null: a parameter is left out instead."""
    kept = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    return (
        {**{name: value for name, value in schema.items() if name != "anyOf"}, **kept[0]}
        if len(kept) == 1
        else schema
    )


def _add_headers(operation: Json) -> None:
    """The headers of successful answers."""
    name = operation["operationId"]
    if name in _FINDS:
        found = {key: value for key, value in operation["responses"]["201"].items() if key != "description"}
        operation["responses"]["200"] = {"description": "It was there already.", **found}
    for status, response in operation["responses"].items():
        if not status.startswith(_SUCCESSES):
            continue
        if response["description"] == "Successful Response":
            response["description"] = HTTPStatus(int(status)).phrase
        own: Json = {}
        if name not in headers.UNTAGGED and status != "204":
            own |= headers.ETAG
        if status == "201" and name not in headers.UNPLACED:
            own |= headers.LOCATION
        response["headers"] = headers.of_every_answer() | own


def _add_errors(operation: Json, permission: Permission, components: Json) -> None:
    answers = operation["responses"]
    for status in ("default", "422", "409"):
        answers.pop(status, None)
    described = components.setdefault("responses", {})
    codes = problems.codes_of(permission, operation, operation["operationId"])
    for status, grouped in groupby(codes, key=lambda code: code.status):
        same = list(grouped)
        if own := answers.get(str(status)):
            answers[str(status)] = _either(own, answers["200"], problems.response(status, same))
            continue
        name = problems.response_name(status, same)
        described.setdefault(name, problems.response(status, same))
        answers[str(status)] = {"$ref": f"#/components/responses/{name}"}
    operation["responses"] = dict(sorted(answers.items()))


def _either(own: Json, success: Json, problem: Json) -> Json:
    """A status that is answered either with the body of a success or with a problem."""
    return problem | own | {"content": success["content"] | problem["content"]}


def _with_plain_names(document: Json) -> Json:
    """Name shapes of the same name by their modules: clients generate classes from the names."""
    text = json.dumps(document)
    for name in document["components"]["schemas"]:
        if found := _BY_MODULE.fullmatch(name):
            folder, shape = found.groups()
            text = text.replace(f'{name}"', f'{folder.title().replace("_", "")}{shape}"')
    named: Json = json.loads(text)
    return named


def _complete_components(components: Json) -> None:
    schemas = components["schemas"]
    for replaced in ("HTTPValidationError", "ValidationError", "Conflict"):
        schemas.pop(replaced, None)
    schemas["Problem"] = problems.problem_schema()
    components["headers"] = headers.HEADERS
    components["responses"] = dict(sorted(components["responses"].items()))
    components["securitySchemes"] = {_SCHEME: _BEARER}
