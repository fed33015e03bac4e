"""A call of a vendor: with which account, for which attempt at which effect."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Account:
    """A business's account with a vendor, as its integration configures it."""

    settings: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False)
    integration_id: UUID | None = None
    """In the URL that the vendor calls back; None: the installation's own account."""

    @property
    def is_shared(self) -> bool:
        """Whether it is the installation's own, shared by all businesses that have none."""
        return self.integration_id is None


async def _no_lease() -> None:
    """A call that is no effect has no other attempt beside it."""


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt at one effect."""

    account: Account
    key: str
    """Constant over all attempts: the idempotency key, where the vendor supports one."""
    attempt: int
    first_attempt_at: datetime
    confirm: Callable[[], Awaitable[None]] = field(default=_no_lease, repr=False)
    """Check right before each request that changes something that this attempt still holds the lease: the process
    may have been suspended, and another attempt made meanwhile. Raises `LeaseLostError`."""

    @property
    def may_have_happened(self) -> bool:
        """Whether an earlier attempt may have succeeded and its answer been lost: look before doing it again."""
        return self.attempt > 1
