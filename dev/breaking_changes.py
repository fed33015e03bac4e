"""Changes of the OpenAPI document that break existing clients.

Every request that was valid must stay valid: the old request schema must fit into the new one. Old clients must
understand every answer: the new answer schema must fit into the old one. New members of answers and new error
codes break no client: the documentation tells clients to expect them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

Json = dict[str, Any]

_METHODS: Final = ("get", "put", "post", "patch", "delete")
_LOWER: Final = ("minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties")
_UPPER: Final = ("maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties")
_EQUAL: Final = ("pattern", "uniqueItems", "multipleOf")
_ERRORS: Final = ("4", "5")


class Side(StrEnum):
    REQUEST = "request"
    ANSWER = "answer"


def find_breaks(before: Json, now: Json) -> list[str]:
    """All changes that break clients of the earlier document, one line each."""
    return list(_Comparison(before, now).run())


@dataclass
class _Comparison:
    before: Json
    now: Json
    _entered: set[tuple[int, int, Side]] = field(default_factory=set)
    """Pairs of schemas being compared: schemas may be recursive."""

    def run(self) -> Iterator[str]:
        for path, methods in self.before["paths"].items():
            for method in (one for one in _METHODS if one in methods):
                where = f"{method.upper()} {path}"
                there = self.now["paths"].get(path, {}).get(method)
                if there is None:
                    yield f"{where}: removed"
                else:
                    yield from self._operation(where, methods[method], there)

    def _operation(self, where: str, old: Json, new: Json) -> Iterator[str]:
        if old.get("operationId") != new.get("operationId"):
            yield f"{where}: operation id '{old.get('operationId')}' is now '{new.get('operationId')}'"
        yield from _access(where, old, new)
        yield from self._parameters(where, old, new)
        yield from self._body(where, old.get("requestBody"), new.get("requestBody"))
        yield from self._answers(where, old["responses"], new["responses"])

    def _parameters(self, where: str, old: Json, new: Json) -> Iterator[str]:
        before, now = _parameters(old), _parameters(new)
        for key in before.keys() - now.keys():
            yield f"{where}: parameter {_named(key)} removed"
        for key, parameter in now.items():
            was = before.get(key, {})
            if parameter.get("required") and not was.get("required"):
                yield f"{where}: parameter {_named(key)} is now required"
            if was:
                yield from self._taken(f"{where}: parameter {_named(key)}", was["schema"], parameter["schema"])

    def _body(self, where: str, old: Json | None, new: Json | None) -> Iterator[str]:
        if new is not None and new.get("required") and not (old or {}).get("required"):
            yield f"{where}: a body is now required"
        for kind, content in (old or {}).get("content", {}).items():
            there = (new or {}).get("content", {}).get(kind)
            if there is None:
                yield f"{where}: no longer takes {kind}"
            else:
                yield from self._taken(f"{where}: body", content["schema"], there["schema"])

    def _answers(self, where: str, old: Json, new: Json) -> Iterator[str]:
        for status, response in old.items():
            place = f"{where}: {status}"
            if status not in new:
                yield f"{place} removed"
                continue
            was, now = _resolved(self.before, response), _resolved(self.now, new[status])
            yield from self._headers(place, was.get("headers", {}), now.get("headers", {}))
            if not status.startswith(_ERRORS):
                yield from self._contents(place, was.get("content", {}), now.get("content", {}))

    def _headers(self, where: str, old: Json, new: Json) -> Iterator[str]:
        for name, header in old.items():
            now = _resolved(self.now, new[name]) if name in new else None
            if now is None:
                yield f"{where}: header {name} removed"
            elif _resolved(self.before, header).get("required") and not now.get("required"):
                yield f"{where}: header {name} may now be missing"

    def _contents(self, where: str, old: Json, new: Json) -> Iterator[str]:
        for kind, content in old.items():
            if kind not in new:
                yield f"{where}: no longer answered as {kind}"
            elif "schema" in content:
                yield from self._fits(where, new[kind].get("schema", {}), content["schema"], Side.ANSWER)

    def _taken(self, where: str, old: Json, new: Json) -> Iterator[str]:
        yield from self._fits(where, old, new, Side.REQUEST)

    def _fits(self, where: str, inner: Json, outer: Json, side: Side) -> Iterator[str]:
        """The reasons why not every value of the inner schema fits the outer schema."""
        within, around = (self.before, self.now) if side is Side.REQUEST else (self.now, self.before)
        inner, outer = _resolved(within, inner), _resolved(around, outer)
        pair = (id(inner), id(outer), side)
        if pair in self._entered:
            return
        self._entered.add(pair)
        inners, outers = _alternatives(within, inner), _alternatives(around, outer)
        for one in inners:
            reasons = [list(self._fits_one(where, one, other, side)) for other in outers]
            if all(reasons):
                same = [found for found, other in zip(reasons, outers, strict=True) if _kind(one) == _kind(other)]
                what = "no longer takes" if side is Side.REQUEST else "may now be"
                yield from same[0] if len(same) == 1 else [f"{where}: {what} {_kind(one) or 'that'}"]
        self._entered.discard(pair)

    def _fits_one(self, where: str, inner: Json, outer: Json, side: Side) -> Iterator[str]:
        if _kind(outer) is not None and _kind(inner) != _kind(outer):
            yield f"{where}: type {_kind(inner)} where {_kind(outer)} is expected"
            return
        yield from _values(where, inner, outer, side)
        if side is Side.REQUEST:
            yield from _limits(where, inner, outer)
        yield from self._members(where, inner, outer, side)
        if "items" in outer:
            yield from self._fits(f"{where}[]", inner.get("items", {}), outer["items"], side)
        more, room = inner.get("additionalProperties", True), outer.get("additionalProperties", True)
        if isinstance(more, dict) and isinstance(room, dict):
            yield from self._fits(f"{where}.*", more, room, side)
        elif side is Side.REQUEST and more is not False and room is False:
            yield f"{where}: further members are now refused"

    def _members(self, where: str, inner: Json, outer: Json, side: Side) -> Iterator[str]:
        old, new = (inner, outer) if side is Side.REQUEST else (outer, inner)
        for name in sorted(old.get("properties", {}).keys() - new.get("properties", {}).keys()):
            yield f"{where}.{name}: removed"
        for name in sorted(set(outer.get("required", ())) - set(inner.get("required", ()))):
            if name in new.get("properties", {}):
                yield f"{where}.{name}: {'is now required' if side is Side.REQUEST else 'may now be missing'}"
        for name in sorted(inner.get("properties", {}).keys() & outer.get("properties", {}).keys()):
            member = f"{where}.{name}"
            yield from self._fits(member, inner["properties"][name], outer["properties"][name], side)


def _resolved(document: Json, part: Json) -> Json:
    while "$ref" in part:
        found: Any = document
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        part = found
    return part


def _alternatives(document: Json, schema: Json) -> list[Json]:
    """The alternatives of a schema, without references and choices."""
    schema = _resolved(document, schema)
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return [one for part in schema[choice] for one in _alternatives(document, part)]
    if isinstance(schema.get("type"), list):
        return [{**schema, "type": one} for one in schema["type"]]
    return [schema]


def _parameters(operation: Json) -> dict[tuple[str, str], Json]:
    return {(one["in"], one["name"]): one for one in operation.get("parameters", ())}


def _named(key: tuple[str, str]) -> str:
    return f"{key[1]} ({key[0]})"


def _access(where: str, old: Json, new: Json) -> Iterator[str]:
    """Callers that had access must keep it."""
    before, now = (one.get("security") or [{}] for one in (old, new))
    if {} not in now and any(one not in now for one in before):
        yield f"{where}: {'credentials' if {} in before else 'other credentials'} are now needed"
    for name in ("x-permission", "x-scope"):
        if name in new and old.get(name) != new[name]:
            yield f"{where}: needs {new[name]} instead of {old.get(name, 'nothing')}"


def _kind(schema: Json) -> str | None:
    kind = schema.get("type")
    if kind is None and "properties" in schema:
        return "object"
    return None if kind is None else str(kind)


def _values(where: str, inner: Json, outer: Json, side: Side) -> Iterator[str]:
    """Enumerations and formats."""
    change = "no longer takes" if side is Side.REQUEST else "may now be"
    if (known := _enumerated(outer)) is not None:
        values = _enumerated(inner)
        beyond = ["other values"] if values is None else [str(value) for value in values if value not in known]
        if beyond:
            yield f"{where}: {change} {', '.join(beyond)}"
    if "format" in outer and inner.get("format") != outer["format"]:
        is_was = "is now" if side is Side.REQUEST else "is no longer"
        yield f"{where}: format {is_was} {outer['format']}"


def _enumerated(schema: Json) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    values: list[Any] | None = schema.get("enum")
    return values


def _limits(where: str, inner: Json, outer: Json) -> Iterator[str]:
    for name in _LOWER:
        if name in outer and inner.get(name, float("-inf")) < outer[name]:
            yield f"{where}: {name} is now {outer[name]}"
    for name in _UPPER:
        if name in outer and inner.get(name, float("inf")) > outer[name]:
            yield f"{where}: {name} is now {outer[name]}"
    for name in _EQUAL:
        if name in outer and inner.get(name) != outer[name]:
            yield f"{where}: {name} is now {outer[name]}"
