"""Timeouts and retry policies of activities, by the kind of work."""

from datetime import timedelta

from temporalio.common import Priority, RetryPolicy

STEP_TIMEOUT = timedelta(seconds=20)
"""One attempt at one short transaction; longer than the database's own command timeout."""

STEP_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=100),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=5),
)
"""For ever: a booking's step is not given up because the database is away.

A booking waits up to the longest pause once the database is back; each pause adds six events to its history.
"""

STEP_LOCAL_RETRY = timedelta(seconds=2)
"""A longer back-off leaves the worker and becomes a timer in the history, so that a worker can stop while the
database is away."""

CHECK_TIMEOUT = timedelta(seconds=20)
"""One look at somebody else's system; longer than the adapter's own timeout and a transaction."""

CHECK_TOTAL_TIMEOUT = timedelta(seconds=60)
"""A check that finds no free worker in this time is left to the next round."""

CHECK_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=2)
"""The next round is the retry."""

ROUNDS_LAST = timedelta(hours=1)
"""How long one workflow makes rounds over outside calendars before the next one takes over."""

ROUND_TIMEOUT = timedelta(minutes=2)
"""One round over all sources, with time to spare: its checks have one minute."""

RECONCILE_TIMEOUT = timedelta(minutes=10)
"""One comparison of one vendor's records with all open bookings."""

RECONCILE_HEARTBEAT = timedelta(minutes=2)
"""One page of a comparison, with the slowest answer that the adapter accepts."""

RECONCILE_TOTAL_TIMEOUT = timedelta(minutes=30)
"""A comparison that finds no free worker in this time is left to the next round."""

RECONCILE_RETRY = RetryPolicy(initial_interval=timedelta(seconds=5), maximum_attempts=2)

MAIL_TIMEOUT = timedelta(seconds=30)
"""One attempt to send a message."""

MAIL_TOTAL_TIMEOUT = timedelta(hours=1)
"""After that the attempt is given up, and the worker begins another as long as the request lasts."""

MAIL_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2.0, maximum_interval=timedelta(minutes=1)
)

LIFECYCLE = 1
BACKGROUND = 5


def priority(business_id: object) -> Priority:
    """Bookings' lifecycles go first (1 of 5), and tenants take turns."""
    return Priority(priority_key=LIFECYCLE, fairness_key=str(business_id))


def in_turn(business_id: object) -> Priority:
    """Background work, which no booking waits for, goes last (5 of 5), and tenants take turns."""
    return Priority(priority_key=BACKGROUND, fairness_key=str(business_id))
