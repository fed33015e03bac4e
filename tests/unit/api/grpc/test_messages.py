"""Messages to plain values and back; the enums of the .proto files are those of the domain."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import uuid4

import pytest
from fastapi.exceptions import RequestValidationError
from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp

from api.grpc import bookings_pb2, holds_pb2
from api.grpc.booking_service_pb2 import (
    Address,
    CreateBookingRequest,
    Customer,
    GetBookingRequest,
    ListBookingsRequest,
    ReportNoShowRequest,
)
from api.grpc.bookings_pb2 import Booking, BookingNext
from api.grpc.events_pb2 import Event, WatchRequest
from api.grpc.messages import made, parsed, values_of
from api.grpc.money_pb2 import Money
from api.shapes import In
from domain.assignment import AssignmentStrategy
from domain.lifecycle import Party, Role, Status
from domain.payments import PaymentGate
from domain.steps import StepKind
from domain.timeline import DeadlineKind, Phase

NOON = datetime(2030, 3, 5, 12, 0, 0, 250_000, tzinfo=UTC)
HOLD_STATUSES = StrEnum("HoldStatus", {"HELD": "held", "BOOKED": "booked", "EXPIRED": "expired"})  # type: ignore[misc]


@pytest.mark.parametrize(
    ("module", "name", "domain"),
    [
        (bookings_pb2, "BookingStatus", Status),
        (bookings_pb2, "PaymentGate", PaymentGate),
        (bookings_pb2, "Party", Party),
        (bookings_pb2, "Role", Role),
        (bookings_pb2, "StepKind", StepKind),
        (bookings_pb2, "Phase", Phase),
        (bookings_pb2, "DeadlineKind", DeadlineKind),
        (bookings_pb2, "AssignmentStrategy", AssignmentStrategy),
        (holds_pb2, "HoldStatus", HOLD_STATUSES),
    ],
)
def test_an_enum_has_the_values_of_the_domain(module: Any, name: str, domain: type[StrEnum]) -> None:
    values = getattr(module, name).DESCRIPTOR.values_by_number
    prefix = "".join(f"_{letter}" if letter.isupper() else letter for letter in name).strip("_").upper()
    assert values[0].name == f"{prefix}_UNSPECIFIED"
    assert {value.name for number, value in values.items() if number} == {
        f"{prefix}_{one.value.upper()}" for one in domain
    }


def test_what_is_not_set_is_left_out() -> None:
    moment = Timestamp()
    moment.FromDatetime(NOON)
    request = CreateBookingRequest(
        business_id="garage",
        starts_at=moment,
        customer=Customer(name="Gale"),
        expected_price=Money(currency="USD"),
    )
    assert values_of(request) == {
        "business_id": "garage",
        "service_id": "",
        "starts_at": NOON,
        "customer": {"name": "Gale", "sms_opt_in": False},
        "expected_price": {"amount_minor": 0, "currency": "USD"},
    }


def test_what_is_set_to_nothing_is_said() -> None:
    assert values_of(CreateBookingRequest(provider_id=""))["provider_id"] == ""
    assert values_of(CreateBookingRequest(address=Address()))["address"] == {
        "line1": "",
        "city": "",
        "country": "",
    }


def test_enums_are_the_words_of_the_domain() -> None:
    listed = values_of(ListBookingsRequest(statuses=["BOOKING_STATUS_PENDING", "BOOKING_STATUS_CANCELLED"]))
    assert listed["statuses"] == [Status.PENDING, Status.CANCELLED]
    assert "party" not in values_of(ReportNoShowRequest(booking_id="1"))
    assert values_of(ReportNoShowRequest(party="PARTY_PROVIDER"))["party"] == Party.PROVIDER
    unknown = ListBookingsRequest.FromString(b"\x0a\x01\x63")
    assert values_of(unknown)["statuses"] == ["99"]


def test_maps_and_choices() -> None:
    assert values_of(CreateBookingRequest(attribution={"source": "mail"}))["attribution"] == {"source": "mail"}
    assert values_of(WatchRequest(mine=Empty())) == {"mine": True, "after": ""}


@pytest.mark.parametrize("seconds", [2**40, -(2**40), 2**62])
def test_a_moment_beyond_all_years_fits_nothing(seconds: int) -> None:
    class Shape(In):
        starts_at: datetime

    with pytest.raises(RequestValidationError) as raised:
        parsed(
            Shape,
            {"starts_at": values_of(CreateBookingRequest(starts_at=Timestamp(seconds=seconds)))["starts_at"]},
        )
    assert raised.value.errors()[0]["loc"] == ("body", "starts_at")


def test_an_unknown_field_is_refused_at_any_depth() -> None:
    more = b"\xc2\x3e\x01x"
    with pytest.raises(RequestValidationError):
        values_of(GetBookingRequest.FromString(more))
    inner = Customer(name="Gale").SerializeToString() + more
    with pytest.raises(RequestValidationError):
        values_of(CreateBookingRequest.FromString(b"\x42" + bytes([len(inner)]) + inner))


def test_a_message_is_made_of_rows_and_of_json() -> None:
    booking_id = uuid4()
    made_of_json = made(
        Booking,
        {
            "id": booking_id,
            "status": "no_show",
            "starts_at": NOON.isoformat(),
            "ends_at": NOON,
            "price": {"amount_minor": 0, "currency": "JPY"},
            "provider_id": None,
            "payment": None,
            "version": 3,
            "unknown to this message": 1,
        },
    )
    assert made_of_json.id == str(booking_id)
    assert made_of_json.status == bookings_pb2.BOOKING_STATUS_NO_SHOW
    assert made_of_json.starts_at == made_of_json.ends_at
    assert made_of_json.starts_at.ToDatetime(UTC) == NOON
    assert made_of_json.HasField("price")
    assert not made_of_json.HasField("provider_id")
    assert not made_of_json.HasField("payment")


def test_spans_lists_and_open_data() -> None:
    coming = made(
        BookingNext,
        {
            "reminders": [{"lead_time": timedelta(minutes=10), "at": NOON}],
            "refused_provider_ids": [uuid4(), uuid4()],
            "phase": Phase.AWAITING_ANSWER,
        },
    )
    assert coming.reminders[0].lead_time == Duration(seconds=600)
    assert len(coming.refused_provider_ids) == 2
    data = {"bookingId": "1", "amounts": [1, 2], "more": {"is": True, "none": None}}
    assert dict(made(Event, {"data": data}).data) == data | {"amounts": [1, 2], "more": data["more"]}
