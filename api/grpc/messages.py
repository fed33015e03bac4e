"""Messages to plain values and back, by their descriptors.

A field is the member of the same name in HTTP's shapes: the status `accepted` is BOOKING_STATUS_ACCEPTED, a moment
is a Timestamp, a span of time a Duration.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, TypeVar

from fastapi.exceptions import RequestValidationError
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.unknown_fields import UnknownFieldSet
from pydantic import BaseModel, ValidationError

from api.answers import invalid

_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
Parsed = TypeVar("Parsed", bound=BaseModel)
Made = TypeVar("Made", bound=Message)


def parsed(shape: type[Parsed], values: Mapping[str, Any]) -> Parsed:
    """The values of a message, checked as the same members are over HTTP.

    Raises:
        RequestValidationError: they do not fit the shape.
    """
    try:
        return shape.model_validate(values)
    except ValidationError as error:
        found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
        raise RequestValidationError(found) from None


def values_of(message: Message) -> dict[str, Any]:
    """The values of a message. What is not set is left out, where the message can tell.

    Raises:
        RequestValidationError: it has fields that this version does not know.
    """
    if len(UnknownFieldSet(message)):
        number = UnknownFieldSet(message)[0].field_number
        raise invalid(f"#{number}", "this server knows no such field: it may be older than its client")
    found = {field.name: _value(message, field) for field in _fields(message) if _is_said(message, field)}
    return {name: value for name, value in found.items() if value is not None}


def made(kind: type[Made], values: Mapping[str, Any]) -> Made:
    """A message of these values; what is None or missing is not set, other members are left out."""
    message = kind()
    _fill(message, values)
    return message


def _is_said(message: Message, field: FieldDescriptor) -> bool:
    if field.is_repeated:
        return len(getattr(message, field.name)) > 0
    return not field.has_presence or message.HasField(field.name)


def _value(message: Message, field: FieldDescriptor) -> Any:
    value = getattr(message, field.name)
    if not field.is_repeated:
        return _single(field, value)
    if _is_map(field):
        return dict(value)
    return [_single(field, one) for one in value]


def _single(field: FieldDescriptor, value: Any) -> Any:
    if field.enum_type is not None:
        return _names(field.enum_type).get(value, str(value))
    if isinstance(value, Timestamp):
        return _moment(value)
    if isinstance(value, Empty):
        return True
    return values_of(value) if isinstance(value, Message) else value


def _moment(value: Timestamp) -> datetime | str:
    try:
        return value.ToDatetime(UTC)
    except (ValueError, OverflowError):
        return "beyond all years"  # what checks moments refuses it, with its place


def _fill(message: Message, values: Mapping[str, Any]) -> None:
    for field in _fields(message):
        value = values.get(field.name)
        if value is None:
            continue
        if field.is_repeated:
            _fill_repeated(getattr(message, field.name), field, value)
        elif field.message_type is not None:
            _fill_message(getattr(message, field.name), value)
        else:
            setattr(message, field.name, _plain(field, value))


def _fill_repeated(target: Any, field: FieldDescriptor, found: Iterable[Any]) -> None:
    if field.message_type is None:
        target.extend(_plain(field, one) for one in found)
        return
    for one in found:
        _fill_message(target.add(), one)


def _fill_message(target: Message, value: Any) -> None:
    match target:
        case Timestamp():
            target.FromDatetime(datetime.fromisoformat(value) if isinstance(value, str) else value)
        case Duration():
            assert isinstance(value, timedelta)
            target.FromTimedelta(value)
        case Struct():
            target.update(value)
        case _:
            target.SetInParent()
            _fill(target, value)


def _plain(field: FieldDescriptor, value: Any) -> Any:
    if field.enum_type is not None:
        return _numbers(field.enum_type)[str(value)]
    return str(value) if field.type == FieldDescriptor.TYPE_STRING else value


def _fields(message: Message) -> Sequence[FieldDescriptor]:
    fields: Any = message.DESCRIPTOR.fields  # either of two classes, which are alike
    return tuple(fields)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


@lru_cache
def _names(kind: EnumDescriptor) -> dict[int, str | None]:
    """Of each number the value in the domain; none of the one that says nothing."""
    prefix = _WORD.sub("_", kind.name).upper() + "_"
    return {
        number: value.name.removeprefix(prefix).lower() if number else None
        for number, value in kind.values_by_number.items()
    }


@lru_cache
def _numbers(kind: EnumDescriptor) -> dict[str, int]:
    return {name: number for number, name in _names(kind).items() if name is not None}
