import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListSlotsRequest(_message.Message):
    __slots__ = ("business_id", "service_id", "starts_from", "starts_before", "provider_id", "postal_code", "timezone")
    BUSINESS_ID_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    STARTS_FROM_FIELD_NUMBER: _ClassVar[int]
    STARTS_BEFORE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_ID_FIELD_NUMBER: _ClassVar[int]
    POSTAL_CODE_FIELD_NUMBER: _ClassVar[int]
    TIMEZONE_FIELD_NUMBER: _ClassVar[int]
    business_id: str
    service_id: str
    starts_from: DayOrMoment
    starts_before: DayOrMoment
    provider_id: str
    postal_code: str
    timezone: str
    def __init__(self, business_id: _Optional[str] = ..., service_id: _Optional[str] = ..., starts_from: _Optional[_Union[DayOrMoment, _Mapping]] = ..., starts_before: _Optional[_Union[DayOrMoment, _Mapping]] = ..., provider_id: _Optional[str] = ..., postal_code: _Optional[str] = ..., timezone: _Optional[str] = ...) -> None: ...

class DayOrMoment(_message.Message):
    __slots__ = ("day", "moment")
    DAY_FIELD_NUMBER: _ClassVar[int]
    MOMENT_FIELD_NUMBER: _ClassVar[int]
    day: str
    moment: _timestamp_pb2.Timestamp
    def __init__(self, day: _Optional[str] = ..., moment: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListSlotsResponse(_message.Message):
    __slots__ = ("timezone", "as_of", "slots")
    TIMEZONE_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    timezone: str
    as_of: _timestamp_pb2.Timestamp
    slots: _containers.RepeatedCompositeFieldContainer[Slot]
    def __init__(self, timezone: _Optional[str] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., slots: _Optional[_Iterable[_Union[Slot, _Mapping]]] = ...) -> None: ...

class Slot(_message.Message):
    __slots__ = ("starts_at", "ends_at", "provider_ids", "seats_left")
    STARTS_AT_FIELD_NUMBER: _ClassVar[int]
    ENDS_AT_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_IDS_FIELD_NUMBER: _ClassVar[int]
    SEATS_LEFT_FIELD_NUMBER: _ClassVar[int]
    starts_at: _timestamp_pb2.Timestamp
    ends_at: _timestamp_pb2.Timestamp
    provider_ids: _containers.RepeatedScalarFieldContainer[str]
    seats_left: int
    def __init__(self, starts_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ends_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., provider_ids: _Optional[_Iterable[str]] = ..., seats_left: _Optional[int] = ...) -> None: ...
