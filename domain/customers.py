"""What the people who book can agree to."""

from enum import StrEnum


class Purpose(StrEnum):
    """What a consent is for."""

    SMS = "sms"
    EMAIL = "email"
    MARKETING = "marketing"
    ANALYTICS = "analytics"
