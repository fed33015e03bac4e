"""Jobs in a business's own job management system, as far as they concern the booking that they stand for."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class JobState(StrEnum):
    """How far a job is, in the words that all systems have in common."""

    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its system has it."""

    ref: str
    """What the system calls it."""
    booking_id: UUID
    state: JobState
    starts_at: datetime
    ends_at: datetime
    visit_ref: str
    """What the system calls the appointment, of which a job may have several: the first."""
    summary: str | None = None

    def is_at(self, starts_at: datetime, ends_at: datetime) -> bool:
        """Whether it takes place then. Systems keep whole seconds."""
        return (
            abs((self.starts_at - starts_at).total_seconds()) < 1 > abs((self.ends_at - ends_at).total_seconds())
        )


def current_job(jobs: list[Job]) -> Job | None:
    """Of a booking's jobs, of which there should be one: one that goes on before one that has ended."""
    order = (JobState.OPEN, JobState.DONE, JobState.CANCELLED)
    return min(jobs, key=lambda job: order.index(job.state), default=None)
