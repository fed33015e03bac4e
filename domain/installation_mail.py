"""E-mails through the installation's own mail server, whose reputation is shared by businesses without one.

Anybody can found a business and book with it for a stranger's address. So until an operator approves a business,
its e-mails use only the built-in templates, a sender name that shows the installation, and names without links.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

QUOTA_REACHED: Final = "daily_quota_reached"


def sender_name(business: str, installation: str, *, is_approved: bool) -> str:
    """The display name in `From`; `installation` is the installation's own and may be empty."""
    if is_approved or not installation:
        return business or installation
    return f"{business} via {installation}" if business else installation


def is_within_quota(sent_today: int, quota: int) -> bool:
    """Whether one more e-mail may be sent on this day (UTC); a quota of 0 means no limit."""
    return quota == 0 or sent_today < quota


def until_next_day(at: datetime) -> timedelta:
    """The time until the quota resets, at midnight UTC."""
    midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=1) - at
