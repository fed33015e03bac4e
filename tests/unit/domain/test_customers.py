"""A booking's contact data, and what counts as consent to messages about it."""

from datetime import timedelta
from typing import Any

import pytest

from domain.customers import LatestConsent, booking_contact, consent_for_booking
from tests.support.domain.builders import NOW

KNOWN: dict[str, Any] = {
    "name": "Robin Roe",
    "email": "robin@example.com",
    "phone": None,
    "locale": None,
    "timezone": None,
    "sms_opt_in": False,
}
NOTHING: dict[str, Any] = KNOWN | {"name": "Robin Roe", "email": None, "sms_consent": ""}


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ({}, None),
        ({"email": "robin@example.com"}, None),
        ({"name": "R."}, {"name": "R."}),
        ({"email": "new@example.com"}, {"email": "new@example.com"}),
        ({"phone": "+12125550100", "sms_opt_in": True}, {"phone": "+12125550100", "sms_opt_in": True}),
        ({"phone": "+12125550100"}, {"phone": "+12125550100"}),
        ({"sms_opt_in": True}, {"sms_opt_in": True}),
        ({"sms_opt_in": True, "sms_consent": "Yes."}, {"sms_opt_in": True, "sms_consent": "Yes."}),
        ({"sms_consent": "Yes."}, None),
        ({"locale": "de", "timezone": "UTC"}, {"locale": "de", "timezone": "UTC"}),
    ],
)
def test_a_booking_keeps_what_the_record_has_otherwise(typed: dict[str, Any], kept: dict[str, Any] | None) -> None:
    assert booking_contact(NOTHING | typed, KNOWN) == kept


def test_a_consent_that_the_record_has_already_is_not_kept_twice() -> None:
    assert booking_contact(NOTHING | {"sms_opt_in": True}, KNOWN | {"sms_opt_in": True}) is None


BEFORE, AFTER = NOW - timedelta(days=1), NOW + timedelta(days=1)


@pytest.mark.parametrize(
    ("said", "opted_in", "is_own", "expected"),
    [
        (None, False, False, None),
        (None, True, False, True),
        (LatestConsent(granted=True, given_at=BEFORE), False, False, True),
        (LatestConsent(granted=False, given_at=BEFORE), True, False, False),
        (LatestConsent(granted=True, given_at=BEFORE), False, True, None),
        (LatestConsent(granted=False, given_at=BEFORE), True, True, True),
        (LatestConsent(granted=False, given_at=AFTER), True, True, False),
        (LatestConsent(granted=True, given_at=AFTER), False, True, None),
        (None, True, True, True),
    ],
)
def test_a_consent_is_one_to_an_address(
    said: LatestConsent | None, opted_in: bool, is_own: bool, expected: bool | None
) -> None:
    assert consent_for_booking(said, opted_in=opted_in, is_own=is_own, booked_at=NOW) is expected
