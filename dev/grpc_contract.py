"""Check or publish the gRPC API's contract, `docs/holdfast.v1.json`: `python -m dev.grpc_contract check|write`.

It is the descriptors of api/grpc/*.proto as JSON. What breaks a generated client of the published one is refused.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.json_format import MessageToDict

from api.grpc import booking_service_pb2, bookings_pb2, events_pb2, holds_pb2, money_pb2, slots_pb2

Json = dict[str, Any]

PUBLISHED: Final = Path(__file__).parent.parent / "docs" / "holdfast.v1.json"
_MODULES: Final[tuple[Any, ...]] = (
    booking_service_pb2,
    bookings_pb2,
    events_pb2,
    holds_pb2,
    money_pb2,
    slots_pb2,
)
_OF_A_METHOD: Final = ("inputType", "outputType", "clientStreaming", "serverStreaming")


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the descriptors with the published ones, or publish them; 1 on failure."""
    parser = argparse.ArgumentParser(prog="python -m dev.grpc_contract", description=__doc__)
    parser.add_argument("command", choices=("check", "write"))
    parser.add_argument("--file", type=Path, default=PUBLISHED, help="the published contract")
    parser.add_argument("--breaking", action="store_true", help="publish even if it breaks clients")
    options = parser.parse_args(arguments)
    return run(options.command, options.file, contract(), despite_breaks=options.breaking)


def run(command: str, published: Path, now: Json, *, despite_breaks: bool = False) -> int:
    """Check a contract against the published one, or publish it; 1 on failure."""
    before = json.loads(published.read_text()) if published.exists() else {"file": []}
    found = find_breaks(before, now)
    if found and not despite_breaks:
        for line in found:
            print(f"breaking: {line}", file=sys.stderr)
        print(f"error: {len(found)} changes break the contract (BREAKING=1 publishes them)", file=sys.stderr)
        return 1
    if command == "check" and before != now:
        print(f"error: {published.name} does not match api/grpc/*.proto: run `make grpc`", file=sys.stderr)
        return 1
    if command == "write":
        published.write_text(json.dumps(now, indent=1) + "\n")
    return 0


def contract() -> Json:
    """The descriptors of the whole API."""
    return as_json([module.DESCRIPTOR for module in _MODULES])


def as_json(files: Sequence[FileDescriptor]) -> Json:
    """Descriptors as JSON, without comments."""
    found = FileDescriptorSet()
    for file in files:
        copy = FileDescriptorProto()
        file.CopyToProto(copy)
        found.file.append(copy)
    return MessageToDict(found)


def find_breaks(before: Json, now: Json) -> list[str]:
    """All changes that break clients of the earlier contract, one line each."""
    return [
        *_compared(_messages(before), _messages(now), _message),
        *_compared(_enums(before), _enums(now), _enum),
        *_compared(_services(before), _services(now), _service),
    ]


def _compared(before: dict[str, Json], now: dict[str, Json], compare: Any) -> Iterator[str]:
    for name, old in before.items():
        if name in now:
            yield from compare(name, old, now[name])
        else:
            yield f"{name}: removed"


def _message(name: str, old: Json, new: Json) -> Iterator[str]:
    fields = {field["number"]: field for field in new.get("field", ())}
    numbers = {field["name"]: field["number"] for field in new.get("field", ())}
    for field in old.get("field", ()):
        where, number = f"{name}.{field['name']}", field["number"]
        if numbers.get(field["name"], number) != number:
            yield f"{where}: number {number} is now {numbers[field['name']]}"
        elif number not in fields:
            yield f"{where}: removed"
        elif fields[number]["name"] != field["name"]:
            yield f"{where}: is now {fields[number]['name']}"
        else:
            yield from _differences(where, _kind(old, field), _kind(new, fields[number]))


def _kind(message: Json, field: Json) -> Json:
    """What of a field is part of what clients send, and of their code."""
    kind = {"type": field.get("typeName", field["type"]), "label": field["label"]}
    kind["optional"] = field.get("proto3Optional", False)
    is_choice = "oneofIndex" in field and not kind["optional"]
    kind["oneof"] = message["oneofDecl"][field["oneofIndex"]]["name"] if is_choice else None
    return kind


def _enum(name: str, old: Json, new: Json) -> Iterator[str]:
    numbers = {value["name"]: value.get("number", 0) for value in new["value"]}
    for value in old["value"]:
        where, number = f"{name}.{value['name']}", value.get("number", 0)
        if value["name"] not in numbers:
            yield f"{where}: removed"
        elif numbers[value["name"]] != number:
            yield f"{where}: number {number} is now {numbers[value['name']]}"


def _service(name: str, old: Json, new: Json) -> Iterator[str]:
    methods = {method["name"]: method for method in new.get("method", ())}
    for method in old.get("method", ()):
        where = f"{name}.{method['name']}"
        if method["name"] not in methods:
            yield f"{where}: removed"
            continue
        there = methods[method["name"]]
        yield from _differences(
            where, *({part: one.get(part) for part in _OF_A_METHOD} for one in (method, there))
        )


def _differences(where: str, old: Json, new: Json) -> Iterator[str]:
    for part, was in old.items():
        if new[part] != was:
            yield f"{where}: {part} {was or 'none'} is now {new[part] or 'none'}"


def _messages(contract: Json) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for file in contract["file"]:
        for message in file.get("messageType", ()):
            found |= _with_nested(f"{file['package']}.{message['name']}", message)
    return found


def _with_nested(name: str, message: Json) -> dict[str, Json]:
    found = {name: message}
    for nested in message.get("nestedType", ()):
        found |= _with_nested(f"{name}.{nested['name']}", nested)
    return found


def _enums(contract: Json) -> dict[str, Json]:
    found = {
        f"{file['package']}.{enum['name']}": enum for file in contract["file"] for enum in file.get("enumType", ())
    }
    for name, message in _messages(contract).items():
        found |= {f"{name}.{enum['name']}": enum for enum in message.get("enumType", ())}
    return found


def _services(contract: Json) -> dict[str, Json]:
    return {
        f"{file['package']}.{service['name']}": service
        for file in contract["file"]
        for service in file.get("service", ())
    }


if __name__ == "__main__":
    sys.exit(main())
