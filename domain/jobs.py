"""Jobs in a business's own job management system, as far as they concern their booking."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class JobState(StrEnum):
    """A job's state, in terms that all systems share."""

    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its system reports it."""

    ref: str
    """The system's id."""
    booking_id: UUID
    state: JobState
    starts_at: datetime
    ends_at: datetime
    visit_ref: str
    """The system's id of the job's first appointment."""
    summary: str | None = None

    def is_at(self, starts_at: datetime, ends_at: datetime) -> bool:
        """Whether it takes place at this time. Systems store whole seconds."""
        return (
            abs((self.starts_at - starts_at).total_seconds()) < 1 > abs((self.ends_at - ends_at).total_seconds())
        )


def current_job(jobs: list[Job]) -> Job | None:
    """The booking's job; if there are several, an open one first, then a done one."""
    order = (JobState.OPEN, JobState.DONE, JobState.CANCELLED)
    return min(jobs, key=lambda job: order.index(job.state), default=None)
