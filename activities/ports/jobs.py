"""The system in which a business manages its jobs: each booking that is accepted is one there."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from activities.ports.vendors import Account, Call
from domain.jobs import Job


@dataclass(frozen=True, slots=True)
class Address:
    """Where the work is done."""

    street: str
    city: str
    region: str
    postal_code: str
    country: str
    """ISO 3166-1 alpha-2."""


@dataclass(frozen=True, slots=True)
class JobCustomer:
    """For whom."""

    id: UUID
    name: str = field(repr=False)
    email: str | None = field(repr=False)
    phone: str | None = field(repr=False)
    """E.164."""


@dataclass(frozen=True, slots=True)
class WantedJob:
    """A booking as a job."""

    booking_id: UUID
    customer: JobCustomer
    address: Address | None = field(repr=False)
    """None: at the business's own premises."""
    service_code: str
    starts_at: datetime
    ends_at: datetime
    summary: str = field(repr=False)


class JobManagement(Protocol):
    """Keeps jobs in one vendor's system. Everything may be asked again, and is done once.

    What changes something is done within a call, which is confirmed right before.
    """

    async def find(self, account: Account, booking_id: UUID) -> Job | None:
        """The booking's job; of several, one that goes on.

        Raises:
            VendorError: it could not be asked.
        """

    async def find_all(self, account: Account, booking_ids: Sequence[UUID]) -> list[Job]:
        """All jobs of these bookings, of which there may be 50.

        Raises:
            VendorError: it could not be asked.
        """

    async def create(self, call: Call, wanted: WantedJob) -> str:
        """Make the job, and its customer and place where they are not known yet; what it is called.

        Raises:
            VendorError: it could not be made, or the answer was lost.
        """

    async def change(self, call: Call, job: Job, wanted: WantedJob) -> None:
        """Have the job take place and say as wanted; one that does already is left alone.

        Raises:
            VendorError: it could not be changed.
        """

    async def cancel(self, call: Call, job: Job) -> None:
        """Cancel the job.

        Raises:
            VendorError: it could not be cancelled.
        """

    async def revive(self, call: Call, job: Job) -> None:
        """Take the cancellation of the job back.

        Raises:
            VendorError: it could not be taken back.
        """
