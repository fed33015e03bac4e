"""When an effect is tried again: the profile decides after a failure, and a fixed wait after an interruption."""

from datetime import timedelta
from itertools import pairwise

import pytest

from domain.effect_retries import (
    DUE_WITHIN,
    Interruption,
    is_exhausted,
    profile_of,
    wait_after_failure,
    wait_after_interruption,
)
from domain.effects import PORT_OF, Port, Vendor

_VENDORS = [vendor for vendor in Vendor if PORT_OF[vendor] is not Port.STORAGE]
_HOUR = timedelta(hours=1)


def waits_of(vendor: Vendor) -> list[timedelta]:
    """The waits after every failure of one round, until the effect is given up."""
    waits: list[timedelta] = []
    while (wait := wait_after_failure(vendor, len(waits) + 1)) is not None:
        waits.append(wait)
    return waits


@pytest.mark.parametrize(
    ("vendor", "first", "longest", "patience"),
    [
        (Vendor.SENDGRID, timedelta(seconds=2), timedelta(minutes=10), 24 * _HOUR),
        (Vendor.TWILIO, timedelta(seconds=2), timedelta(minutes=10), 24 * _HOUR),
        (Vendor.SERVICETITAN, timedelta(seconds=1), timedelta(minutes=15), 7 * 24 * _HOUR),
        (Vendor.STRIPE, timedelta(seconds=1), timedelta(minutes=30), 7 * 24 * _HOUR),
        (Vendor.GA4, timedelta(seconds=10), _HOUR, 48 * _HOUR),
    ],
)
def test_waits_double_up_to_the_longest_and_last_as_long_as_the_patience(
    vendor: Vendor, first: timedelta, longest: timedelta, patience: timedelta
) -> None:
    waits = waits_of(vendor)
    assert waits[0] == first
    assert max(waits) == longest
    assert all(later == min(earlier * 2, longest) for earlier, later in pairwise(waits))
    assert patience <= sum(waits, timedelta()) < patience + longest


def test_webhooks_wait_as_the_standard_says() -> None:
    waits = waits_of(Vendor.WEBHOOK)
    assert waits[:4] == [timedelta(seconds=seconds) for seconds in (5, 300, 1_800, 7_200)]
    assert sum(waits, timedelta()) == timedelta(seconds=272_105)


@pytest.mark.parametrize("vendor", _VENDORS)
def test_an_effect_is_given_up_with_the_attempt_after_the_last_wait(vendor: Vendor) -> None:
    last = len(profile_of(vendor).waits)
    assert wait_after_failure(vendor, last) is not None
    assert wait_after_failure(vendor, last + 1) is None
    assert [is_exhausted(vendor, tries) for tries in (0, last, last + 1)] == [False, False, True]


def test_a_failure_for_good_is_given_up_at_once() -> None:
    assert wait_after_failure(Vendor.STRIPE, 1, permanent=True, asked_for=_HOUR) is None


def test_a_vendor_that_asks_for_a_pause_gets_at_least_that() -> None:
    assert wait_after_failure(Vendor.STRIPE, 1, asked_for=_HOUR) == _HOUR
    assert wait_after_failure(Vendor.STRIPE, 8, asked_for=timedelta(seconds=3)) == timedelta(seconds=128)


def test_effects_that_failed_together_are_spread_over_a_tenth_of_their_wait() -> None:
    waits = [wait_after_failure(Vendor.GA4, 1, jitter=jitter) for jitter in (0.0, 0.5, 1.0)]
    assert waits == [timedelta(seconds=seconds) for seconds in (10, 10.5, 11)]


@pytest.mark.parametrize(
    ("interruption", "seconds"),
    [
        (Interruption.INTERNAL_ERROR, 30),
        (Interruption.LEASE_LOST, 1),
        (Interruption.WORKER_LOST, 1),
        (Interruption.NOT_DUE, 1),
        (Interruption.NO_ROOM, 1),
        (Interruption.OVERDUE, 30),
    ],
)
def test_an_interruption_gives_nothing_up(interruption: Interruption, seconds: int) -> None:
    assert wait_after_interruption(interruption) == timedelta(seconds=seconds)


def test_what_is_not_due_waits_until_it_is_but_never_less_than_counts_as_due() -> None:
    assert wait_after_interruption(Interruption.NOT_DUE, left=_HOUR) == _HOUR
    assert wait_after_interruption(Interruption.NOT_DUE, left=-_HOUR) == DUE_WITHIN
