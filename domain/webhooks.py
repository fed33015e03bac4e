"""Signing secrets of webhook endpoints.

The current one is stored as `{"secret": …}`, former ones as `{secret: until}`: each former secret signs until its
own expiry, so that a rotation whose answer was lost can be repeated safely.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

MOST_ENDPOINTS: Final = 20
"""Per business."""
MOST_FORMER: Final = 4
"""Former secrets that still sign: the signature header has a limited length."""
SECRET_BYTES: Final = 32
"""Standard Webhooks requires 24 to 64."""
SECRET_MARK: Final = "whsec_"  # noqa: S105  # a prefix, not a secret


def stored_form(secret: str) -> dict[str, str]:
    """The current secret as it is stored."""
    return {"secret": secret}


def former_secrets(
    present: Mapping[str, str], former: Mapping[str, str], now: datetime, until: datetime
) -> dict[str, str]:
    """The former secrets as stored after a rotation; only the newest when there are too many."""
    alive = _alive(former, now) if until > now else {}
    own = {present["secret"]: until.isoformat()} if until > now else {}
    return dict(list((alive | own).items())[-MOST_FORMER:])


def signing_secrets(present: Mapping[str, str], former: Mapping[str, str], now: datetime) -> list[str]:
    """All secrets that sign now, the current one first."""
    return [present["secret"], *reversed(_alive(former, now))]


def _alive(former: Mapping[str, str], now: datetime) -> dict[str, str]:
    return {secret: until for secret, until in former.items() if datetime.fromisoformat(until) > now}
