"""Named retry profiles: how long a step may take, and how it is tried again."""

from datetime import timedelta

from temporalio.common import Priority, RetryPolicy

STEP_TIMEOUT = timedelta(seconds=20)
"""One attempt at one short transaction; longer than the database's own command timeout."""

STEP_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=100),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=10),
)
"""For ever: a booking's step is never given up because the database is away."""

STEP_LOCAL_RETRY = timedelta(seconds=2)
"""Back-off beyond this leaves the worker and becomes a timer in the history: a worker that is told to stop while
the database is away does not wait for it to come back."""

LIFECYCLE = 1


def priority(business_id: object) -> Priority:
    """The lifecycle goes first (1 of 5), and tenants take turns."""
    return Priority(priority_key=LIFECYCLE, fairness_key=str(business_id))
