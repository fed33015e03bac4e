"""What every call of a vendor comes with, whatever it is for."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Account:
    """A business's account with a vendor, as its integration says."""

    settings: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False)
    integration_id: UUID | None = None
    """By which the vendor calls us back; none: the installation's own."""

    @property
    def is_installations(self) -> bool:
        """Whether it is not the business's own, but shared by all that have none."""
        return self.integration_id is None


async def _is_ours() -> None:
    """What is no effect has no other attempt beside it."""


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt at one effect."""

    account: Account
    key: str
    """Constant over all attempts: the idempotency key, where the vendor knows such a thing."""
    attempt: int
    first_attempt_at: datetime
    confirm: Callable[[], Awaitable[None]] = field(default=_is_ours, repr=False)
    """Make sure that the effect is still this attempt's, right before each request that changes something: this
    process may have been stopped since the last look, and another attempt been made. Raises `LeaseLostError`."""

    @property
    def may_have_happened(self) -> bool:
        """Whether an earlier attempt may have been carried out and its answer lost: look before doing it again."""
        return self.attempt > 1
