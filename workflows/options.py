"""Named retry profiles: how long a step may take, and how it is tried again."""

from datetime import timedelta

from temporalio.common import Priority, RetryPolicy

STEP_TIMEOUT = timedelta(seconds=20)
"""One attempt at one short transaction; longer than the database's own command timeout."""

STEP_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=100),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=5),
)
"""For ever: a booking's step is never given up because the database is away.

The longest pause is what a booking still waits once the database is back; each adds six events to its history.
"""

STEP_LOCAL_RETRY = timedelta(seconds=2)
"""Back-off beyond this leaves the worker and becomes a timer in the history: a worker that is told to stop while
the database is away does not wait for it to come back."""

CHECK_TIMEOUT = timedelta(seconds=20)
"""One look at somebody else's system; longer than the adapter's own timeout and a transaction."""

CHECK_PATIENCE = timedelta(seconds=60)
"""A check that finds no free worker for so long is left to the next round."""

CHECK_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=2)
"""The next round is the retry."""

ROUNDS_LAST = timedelta(hours=1)
"""For so long one workflow makes round after round over outside calendars, before the next one does."""

ROUND_TIMEOUT = timedelta(minutes=2)
"""What a round over all sources may take, with time to spare: its checks have one minute."""

RECONCILE_TIMEOUT = timedelta(minutes=10)
"""One comparison of one vendor's records with all bookings that go on."""

RECONCILE_HEARTBEAT = timedelta(minutes=2)
"""One page of a comparison, with a vendor that answers as late as it may."""

RECONCILE_PATIENCE = timedelta(minutes=30)
"""Then it is left to the next round."""

RECONCILE_RETRY = RetryPolicy(initial_interval=timedelta(seconds=5), maximum_attempts=2)

MAIL_TIMEOUT = timedelta(seconds=30)
"""One attempt to send a message."""

MAIL_PATIENCE = timedelta(hours=1)
"""After that the attempt is given up, and recovery begins another as long as the request lasts."""

MAIL_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2.0, maximum_interval=timedelta(minutes=1)
)

LIFECYCLE = 1
BACKGROUND = 5


def priority(business_id: object) -> Priority:
    """The lifecycle goes first (1 of 5), and tenants take turns."""
    return Priority(priority_key=LIFECYCLE, fairness_key=str(business_id))


def in_turn(business_id: object) -> Priority:
    """No booking waits for this (5 of 5), and tenants take turns."""
    return Priority(priority_key=BACKGROUND, fairness_key=str(business_id))
