"""The catalogue of events: complete, without personal data, and heard by nobody by mistake."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from domain.event_audiences import (
    EVERYTHING,
    of_booking,
    of_booking_at_desk,
    of_booking_with,
    of_customer,
    of_provider,
    topics_of,
)
from domain.event_catalogue import CATALOGUE, schema_of
from domain.events import BOOKING_REMINDER_DUE, event_type
from domain.lifecycle import Status
from domain.payments import PAYMENT_AUTHORIZED, PAYMENT_CAPTURED, PAYMENT_DECLINED, PAYMENT_REFUNDED
from domain.steps import StepKind
from tests.support.events import example_data, problems_of

MAY_BE_NAMED = ("Id", "Time", "At", "Minor", "Ref")
CODES = {"status", "currency", "vendor", "kind", "audience", "channel", "reason", "date"}
BOOKING, CUSTOMER, ANA, BEN = (str(uuid4()) for _ in range(4))


def test_every_type_that_is_written_is_in_the_catalogue() -> None:
    steps = {event_type(kind, status) for kind in StepKind for status in Status}
    payments = {PAYMENT_AUTHORIZED, PAYMENT_CAPTURED, PAYMENT_DECLINED, PAYMENT_REFUNDED}
    assert steps | payments | {BOOKING_REMINDER_DUE} <= CATALOGUE.keys()


@pytest.mark.parametrize("name", CATALOGUE)
def test_data_are_ids_times_amounts_and_codes(name: str) -> None:
    members = schema_of(CATALOGUE[name])["properties"]
    assert [one for one in members if not one.endswith(MAY_BE_NAMED) and one not in CODES] == []


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_check_of_written_events_finds_what_does_not_fit(name: str) -> None:
    row = {
        "id": uuid4(),
        "business_id": uuid4(),
        "type": name,
        "source": "/tests",
        "subject": BOOKING,
        "time": datetime.now(UTC),
        "correlation_id": None,
        "actor": {"role": "system"},
        "schema_version": "1",
        "position": None,
    }
    data = example_data(name)
    assert problems_of(row | {"data": data}) == []
    first = next(iter(data))
    for wrong in (data | {"more": 1}, data | {first: "?"}, {key: data[key] for key in data if key != first}):
        assert problems_of(row | {"data": wrong}) != []
    assert problems_of(row | {"type": f"{name}.later", "data": data}) != []


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_whole_business_is_heard_by_its_managers_alone(name: str) -> None:
    data = {"bookingId": BOOKING, "customerId": CUSTOMER, "providerId": ANA, "formerProviderId": BEN}
    spec, topics = CATALOGUE[name], topics_of({"type": name, "data": data})
    assert {EVERYTHING, of_booking_at_desk(BOOKING)} <= topics
    assert ({of_booking(BOOKING), of_customer(CUSTOMER)} <= topics) is spec.for_customers
    assert ({of_provider(ANA), of_provider(BEN), of_booking_with(BOOKING, ANA)} <= topics) is spec.for_providers


def test_what_is_unknown_is_heard_by_managers_alone() -> None:
    data = {"bookingId": BOOKING, "customerId": CUSTOMER, "providerId": ANA}
    assert topics_of({"type": "scheduling.booking.later", "data": data}) == {
        EVERYTHING,
        of_booking_at_desk(BOOKING),
    }


@pytest.mark.parametrize("name", ["business.service.changed", "notification.sms.sent", "scheduling.hold.created"])
def test_no_customer_hears_of_the_business_its_messages_or_holds(name: str) -> None:
    spec = CATALOGUE[name]
    assert (spec.for_customers, spec.for_providers) == (False, False)
