import datetime

from api.grpc import bookings_pb2 as _bookings_pb2
from api.grpc import money_pb2 as _money_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateBookingRequest(_message.Message):
    __slots__ = ("business_id", "service_id", "starts_at", "provider_id", "preferred_provider_id", "hold_id", "expected_price", "customer", "address", "notes", "attribution", "payment")
    class AttributionEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    BUSINESS_ID_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    STARTS_AT_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_ID_FIELD_NUMBER: _ClassVar[int]
    PREFERRED_PROVIDER_ID_FIELD_NUMBER: _ClassVar[int]
    HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_PRICE_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_FIELD_NUMBER: _ClassVar[int]
    business_id: str
    service_id: str
    starts_at: _timestamp_pb2.Timestamp
    provider_id: str
    preferred_provider_id: str
    hold_id: str
    expected_price: _money_pb2.Money
    customer: Customer
    address: Address
    notes: str
    attribution: _containers.ScalarMap[str, str]
    payment: PaymentMethod
    def __init__(self, business_id: _Optional[str] = ..., service_id: _Optional[str] = ..., starts_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., provider_id: _Optional[str] = ..., preferred_provider_id: _Optional[str] = ..., hold_id: _Optional[str] = ..., expected_price: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., customer: _Optional[_Union[Customer, _Mapping]] = ..., address: _Optional[_Union[Address, _Mapping]] = ..., notes: _Optional[str] = ..., attribution: _Optional[_Mapping[str, str]] = ..., payment: _Optional[_Union[PaymentMethod, _Mapping]] = ...) -> None: ...

class Customer(_message.Message):
    __slots__ = ("name", "email", "phone", "sms_opt_in", "locale", "timezone")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    PHONE_FIELD_NUMBER: _ClassVar[int]
    SMS_OPT_IN_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    TIMEZONE_FIELD_NUMBER: _ClassVar[int]
    name: str
    email: str
    phone: str
    sms_opt_in: bool
    locale: str
    timezone: str
    def __init__(self, name: _Optional[str] = ..., email: _Optional[str] = ..., phone: _Optional[str] = ..., sms_opt_in: _Optional[bool] = ..., locale: _Optional[str] = ..., timezone: _Optional[str] = ...) -> None: ...

class Address(_message.Message):
    __slots__ = ("line1", "city", "region", "postal_code", "country")
    LINE1_FIELD_NUMBER: _ClassVar[int]
    CITY_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    POSTAL_CODE_FIELD_NUMBER: _ClassVar[int]
    COUNTRY_FIELD_NUMBER: _ClassVar[int]
    line1: str
    city: str
    region: str
    postal_code: str
    country: str
    def __init__(self, line1: _Optional[str] = ..., city: _Optional[str] = ..., region: _Optional[str] = ..., postal_code: _Optional[str] = ..., country: _Optional[str] = ...) -> None: ...

class PaymentMethod(_message.Message):
    __slots__ = ("method",)
    METHOD_FIELD_NUMBER: _ClassVar[int]
    method: str
    def __init__(self, method: _Optional[str] = ...) -> None: ...

class GetBookingRequest(_message.Message):
    __slots__ = ("booking_id",)
    BOOKING_ID_FIELD_NUMBER: _ClassVar[int]
    booking_id: str
    def __init__(self, booking_id: _Optional[str] = ...) -> None: ...

class ListBookingsRequest(_message.Message):
    __slots__ = ("statuses", "business_id", "provider_id", "customer_id", "needs_attention", "starts_from", "starts_before", "page_size", "page_token")
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_ID_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    NEEDS_ATTENTION_FIELD_NUMBER: _ClassVar[int]
    STARTS_FROM_FIELD_NUMBER: _ClassVar[int]
    STARTS_BEFORE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    statuses: _containers.RepeatedScalarFieldContainer[_bookings_pb2.BookingStatus]
    business_id: str
    provider_id: str
    customer_id: str
    needs_attention: bool
    starts_from: _timestamp_pb2.Timestamp
    starts_before: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, statuses: _Optional[_Iterable[_Union[_bookings_pb2.BookingStatus, str]]] = ..., business_id: _Optional[str] = ..., provider_id: _Optional[str] = ..., customer_id: _Optional[str] = ..., needs_attention: _Optional[bool] = ..., starts_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., starts_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListBookingsResponse(_message.Message):
    __slots__ = ("bookings", "next_page_token")
    BOOKINGS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    bookings: _containers.RepeatedCompositeFieldContainer[_bookings_pb2.Booking]
    next_page_token: str
    def __init__(self, bookings: _Optional[_Iterable[_Union[_bookings_pb2.Booking, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetBookingHistoryRequest(_message.Message):
    __slots__ = ("booking_id",)
    BOOKING_ID_FIELD_NUMBER: _ClassVar[int]
    booking_id: str
    def __init__(self, booking_id: _Optional[str] = ...) -> None: ...

class GetBookingHistoryResponse(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[_bookings_pb2.HistoryItem]
    def __init__(self, items: _Optional[_Iterable[_Union[_bookings_pb2.HistoryItem, _Mapping]]] = ...) -> None: ...

class GetBookingNextRequest(_message.Message):
    __slots__ = ("booking_id",)
    BOOKING_ID_FIELD_NUMBER: _ClassVar[int]
    booking_id: str
    def __init__(self, booking_id: _Optional[str] = ...) -> None: ...

class AcceptBookingRequest(_message.Message):
    __slots__ = ("booking_id", "etag")
    BOOKING_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    booking_id: str
    etag: str
    def __init__(self, booking_id: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class RejectBookingRequest(_message.Message):
    __slots__ = ("booking_id", "etag", "reason")
    BOOKING_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    booking_id: str
    etag: str
    reason: str
    def __init__(self, booking_id: _Optional[str] = ..., etag: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class StartBookingRequest(_message.Message):
    __slots__ = ("booking_id", "etag")
    BOOKING_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    booking_id: str
    etag: str
    def __init__(self, booking_id: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class CompleteBookingRequest(_message.Message):
    __slots__ = ("booking_id", "etag")
    BOOKING_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    booking_id: str
    etag: str
    def __init__(self, booking_id: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class ReportNoShowRequest(_message.Message):
    __slots__ = ("booking_id", "etag", "party")
    BOOKING_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    PARTY_FIELD_NUMBER: _ClassVar[int]
    booking_id: str
    etag: str
    party: _bookings_pb2.Party
    def __init__(self, booking_id: _Optional[str] = ..., etag: _Optional[str] = ..., party: _Optional[_Union[_bookings_pb2.Party, str]] = ...) -> None: ...

class CancelBookingRequest(_message.Message):
    __slots__ = ("booking_id", "etag", "reason")
    BOOKING_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    booking_id: str
    etag: str
    reason: str
    def __init__(self, booking_id: _Optional[str] = ..., etag: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class RescheduleBookingRequest(_message.Message):
    __slots__ = ("booking_id", "etag", "starts_at", "provider_id")
    BOOKING_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    STARTS_AT_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_ID_FIELD_NUMBER: _ClassVar[int]
    booking_id: str
    etag: str
    starts_at: _timestamp_pb2.Timestamp
    provider_id: str
    def __init__(self, booking_id: _Optional[str] = ..., etag: _Optional[str] = ..., starts_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., provider_id: _Optional[str] = ...) -> None: ...

class AssignBookingRequest(_message.Message):
    __slots__ = ("booking_id", "etag", "provider_id")
    BOOKING_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_ID_FIELD_NUMBER: _ClassVar[int]
    booking_id: str
    etag: str
    provider_id: str
    def __init__(self, booking_id: _Optional[str] = ..., etag: _Optional[str] = ..., provider_id: _Optional[str] = ...) -> None: ...

class OverrideBookingRequest(_message.Message):
    __slots__ = ("booking_id", "etag", "status", "reason")
    BOOKING_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    booking_id: str
    etag: str
    status: _bookings_pb2.BookingStatus
    reason: str
    def __init__(self, booking_id: _Optional[str] = ..., etag: _Optional[str] = ..., status: _Optional[_Union[_bookings_pb2.BookingStatus, str]] = ..., reason: _Optional[str] = ...) -> None: ...
