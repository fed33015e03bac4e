"""What is asked of whoever carries webhooks to the addresses that businesses give."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from activities.ports.vendors import Call


@dataclass(frozen=True, slots=True)
class Webhook:
    """One signed request."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Webhooks(Protocol):
    async def deliver(self, call: Call, webhook: Webhook) -> None:
        """Have the endpoint take it.

        Raises:
            VendorError: it did not: `gone` when it never will again; `redirected`, `http_` and the status,
                `rate_limited`, `timeout`, `unreachable`, `tls_failed`, `reply_lost`, or, for good,
                `address_refused`.
        """
