"""E-mails by the installation's own mail server: businesses without one share it, and the good name that it has.

Anybody can found a business and book with it for a stranger's address. So until an operator has approved a
business its e-mails go out in our words alone, under a sender that says by whom, and without links in any name.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

QUOTA_REACHED: Final = "daily_quota_reached"


def sender_name(business: str, installation: str, *, is_approved: bool) -> str:
    """The display name in `From`; `installation` is that of the installation's own sender, and may be empty."""
    if is_approved or not installation:
        return business or installation
    return f"{business} via {installation}" if business else installation


def is_within_quota(sent_today: int, quota: int) -> bool:
    """Whether one more e-mail may be sent on this day (UTC); a quota of 0 sets no bound."""
    return quota == 0 or sent_today < quota


def until_next_day(at: datetime) -> timedelta:
    """How long it is until the quota counts anew, at midnight UTC."""
    midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=1) - at
