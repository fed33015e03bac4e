"""Customers: consents, and the contact of a single booking."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final


class Purpose(StrEnum):
    """What a consent is for."""

    SMS = "sms"
    EMAIL = "email"
    MARKETING = "marketing"
    ANALYTICS = "analytics"


CONTACT: Final = ("name", "email", "phone", "locale", "timezone")
"""How to reach somebody, and in which language and time zone."""
CONSENT: Final = ("sms_opt_in", "sms_consent")
"""A consent that was given with a booking, and its words."""


def booking_contact(typed: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any] | None:
    """The part of a booking's contact that differs from the customer's record, to be stored with the booking.

    Messages about the booking use it first. Whatever equals the record is not stored, so that a correction of the
    record also applies to its bookings. Both arguments have the members of `CONTACT` and `sms_opt_in`;
    `typed` also has `sms_consent`.
    """
    own = {name: typed[name] for name in CONTACT if typed[name] is not None and typed[name] != known[name]}
    if typed["sms_opt_in"] and ("phone" in own or not known["sms_opt_in"]):
        own["sms_opt_in"] = True
        if typed["sms_consent"]:
            own["sms_consent"] = typed["sms_consent"]
    return own or None


@dataclass(frozen=True, slots=True)
class LatestConsent:
    """A customer's latest consent or refusal for a purpose."""

    granted: bool
    given_at: datetime


def consent_for_booking(
    said: LatestConsent | None, *, opted_in: bool, is_own: bool, booked_at: datetime
) -> bool | None:
    """The consent to send messages about one booking; None: none was given or refused.

    `opted_in` was given with the booking; `is_own` says that the address was too. A consent covers one address
    (47 CFR 64.1200 refers to the called party): the customer's consent for their own address does not cover this
    one, except a refusal after the booking. For their own address the customer's word counts, whatever was typed.
    """
    if said is not None and (not is_own or (not said.granted and said.given_at > booked_at)):
        return said.granted
    return True if opted_in else None
