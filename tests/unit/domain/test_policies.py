"""The waits between attempts, and invalid policies."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from domain.policies import Backoff, Policy
from tests.support.domain.builders import NOW, booking


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 0), (2, 2), (3, 4), (4, 8)])
def test_the_default_waits_are_none_then_2_4_and_8_seconds(attempt: int, seconds: int) -> None:
    assert Backoff().wait_before(attempt) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("attempt", "seconds"), [(0, 0), (1, 0), (2, 60), (3, 180), (4, 540)])
def test_base_and_factor_are_the_business_s(attempt: int, seconds: int) -> None:
    assert Backoff(base_seconds=60, factor=3).wait_before(attempt) == timedelta(seconds=seconds)


def test_a_factor_of_one_waits_evenly() -> None:
    steady = Backoff(base_seconds=5, factor=1)
    assert {steady.wait_before(attempt) for attempt in range(2, 10)} == {timedelta(seconds=5)}


@pytest.mark.parametrize("attempt", [2, 8, 12, 20])
def test_the_longest_waits_that_a_business_can_set_end_at_a_moment_that_exists(attempt: int) -> None:
    longest = Policy(backoff=Backoff(base_seconds=86_400, factor=10, attempts=20))
    after = booking(policy=longest, attempt=attempt - 2).assignment_failed(NOW)
    assert after.next_attempt_at is not None
    assert after.next_attempt_at > NOW


@pytest.mark.parametrize(
    "settings",
    [
        {"backoff": {"attempts": 0}},
        {"backoff": {"attempts": 21}},
        {"backoff": {"base_seconds": 0}},
        {"backoff": {"factor": 0.5}},
        {"offer_timeout_minutes": 0},
        {"reminder_minutes": [-1]},
        {"reminder_minutes": list(range(11))},
        {"expires_minutes_before": -1},
        {"overdue_minutes": 0},
        {"intake": "by_post"},
        {"customer_no_show": "fine"},
        {"unheard_of": 1},
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Policy.model_validate(settings)


def test_an_old_snapshot_reads_with_today_s_defaults() -> None:
    assert Policy.model_validate({}) == Policy()
    assert Policy().reminder_minutes == (24 * 60, 10)


def test_a_snapshot_survives_being_stored() -> None:
    policy = Policy(backoff=Backoff(base_seconds=1.5, attempts=7), reminder_minutes=(60,), auto_accept=True)
    assert Policy.model_validate_json(policy.model_dump_json()) == policy
