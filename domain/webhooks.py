"""Secrets by which a business's endpoint knows that a webhook is from us.

Those of one endpoint are kept as `{"secret": …}`, and the former ones as `{secret: until}`: each signs until its
own time is over, so that a rotation whose answer was lost can be repeated without doing harm.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

MOST_ENDPOINTS: Final = 20
"""Of a business."""
MOST_FORMER: Final = 4
"""Secrets that sign beside the present one: a header has an end."""
SECRET_BYTES: Final = 32
"""Standard Webhooks asks for 24 to 64."""
SECRET_MARK: Final = "whsec_"  # noqa: S105  # what secrets begin with is none


def kept(secret: str) -> dict[str, str]:
    """The present secret as it is kept."""
    return {"secret": secret}


def former_secrets(
    present: Mapping[str, str], former: Mapping[str, str], now: datetime, until: datetime
) -> dict[str, str]:
    """The former secrets as they are kept once another is the present one; the newest ones when there are many."""
    alive = _alive(former, now) if until > now else {}
    own = {present["secret"]: until.isoformat()} if until > now else {}
    return dict(list((alive | own).items())[-MOST_FORMER:])


def signing_secrets(present: Mapping[str, str], former: Mapping[str, str], now: datetime) -> list[str]:
    """Every secret that signs at this moment, the present one first."""
    return [present["secret"], *reversed(_alive(former, now))]


def _alive(former: Mapping[str, str], now: datetime) -> dict[str, str]:
    return {secret: until for secret, until in former.items() if datetime.fromisoformat(until) > now}
