"""The people who book: what they agree to, and how one is reached about one booking."""

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
"""What is known of how to reach somebody, and how to speak to them."""


def booking_contact(typed: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is kept with a booking of what was typed for it: whatever the customer's record has otherwise.

    Messages about this booking go by it first. What the record has too is not kept twice: who corrects the record
    corrects it for its bookings. Both have the members of `CONTACT` and `sms_opt_in`.
    """
    own = {name: typed[name] for name in CONTACT if typed[name] is not None and typed[name] != known[name]}
    if typed["sms_opt_in"] and ("phone" in own or not known["sms_opt_in"]):
        own["sms_opt_in"] = True
    return own or None


@dataclass(frozen=True, slots=True)
class LatestConsent:
    """A customer's latest word on a purpose."""

    granted: bool
    given_at: datetime


def consent_for_booking(
    said: LatestConsent | None, *, opted_in: bool, is_own: bool, booked_at: datetime
) -> bool | None:
    """What counts as consent to write about one booking; none: nothing was said.

    `opted_in` came with the booking, `is_own` says that the address did too. A consent is one to an address
    (47 CFR 64.1200 speaks of the called party): what the customer said of theirs says nothing of another, unless
    they refused after they had booked. Of their own address their word counts, whatever somebody typed.
    """
    if said is not None and (not is_own or (not said.granted and said.given_at > booked_at)):
        return said.granted
    return True if opted_in else None
