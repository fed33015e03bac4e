"""The arithmetic of the sliding window, and who is counted together."""

import math

import pytest

from api.limits import Limiter, RateLimitPolicy, quota_status_of, seconds_until_next
from db.repositories.rate_limits import QuotaUsage
from runtime.settings import Settings

POLICY = RateLimitPolicy("default", 60)


def counted(*, granted: int = 1, requests: int = 1, before: int = 0, elapsed: float = 0.0) -> QuotaUsage:
    return QuotaUsage("user:x", granted, requests, before, elapsed)


def test_requests_counted_together_stand_one_behind_the_other() -> None:
    together = counted(granted=3, requests=3, elapsed=20.5)
    standings = [quota_status_of(POLICY, together, place) for place in range(4)]
    assert [(s.is_admitted, s.left) for s in standings] == [(True, 59), (True, 58), (True, 57), (False, 0)]
    assert standings[0].headers() == {
        "RateLimit-Policy": '"default";q=60;w=60',
        "RateLimit": '"default";r=59;t=40',
    }


def test_there_is_room_at_once_as_long_as_the_quota_is_not_used_up() -> None:
    assert seconds_until_next(60, counted(requests=59)) == 0
    assert seconds_until_next(60, counted(requests=29, before=60, elapsed=30)) == 0


def test_a_minute_that_is_used_up_frees_one_request_a_second_in_the_next() -> None:
    assert seconds_until_next(60, counted(requests=60, elapsed=15)) == pytest.approx(46)
    assert seconds_until_next(1, counted(requests=1, elapsed=15)) == pytest.approx(105)


@pytest.mark.parametrize("before", [1, 7, 59, 60])
@pytest.mark.parametrize("requests", [0, 1, 30, 59, 60])
@pytest.mark.parametrize("elapsed", [0.0, 0.4, 31.7, 59.9])
def test_who_waits_as_long_as_they_were_told_is_admitted_and_no_sooner(
    before: int, requests: int, elapsed: float
) -> None:
    wait = seconds_until_next(60, counted(requests=requests, before=before, elapsed=elapsed))

    def quota_left(after: float) -> float:
        at = elapsed + after
        if at < 60:
            return 60 - before * (1 - at / 60) - requests
        return 60 - requests * (1 - (at - 60) / 60)

    assert quota_left(wait + 1e-6) >= 1
    if wait:
        assert quota_left(wait - 1e-3) < 1
        status = quota_status_of(POLICY, counted(granted=0, requests=requests, before=before, elapsed=elapsed), 0)
        assert status.seconds == max(1, math.ceil(wait))


async def test_signing_in_is_counted_more_tightly() -> None:
    limiter = Limiter(Settings(rate_limit_per_minute=60))
    assert limiter.policy_for("GET", "/v1/auth/me") == POLICY
    assert limiter.policy_for("POST", "/v1/auth/login") == RateLimitPolicy("sign_in", 10)
    assert Limiter(Settings(rate_limit_per_minute=4)).policy_for("POST", "/v1/auth/login") == RateLimitPolicy(
        "sign_in", 1
    )
    assert limiter.policy_for("POST", "/v1/auth/refresh") == RateLimitPolicy("default", 60)
    assert Limiter(Settings(rate_limit_per_minute=0)).policy_for("POST", "/v1/auth/login") is None


@pytest.mark.parametrize(
    ("address", "subject"),
    [
        ("192.0.2.1", "address:192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "address:2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "address:192.0.2.1"),
        ("unknown", "address:unknown"),
        ("x" * 500, "address:" + "x" * 60),
    ],
)
async def test_an_address_is_counted_as_far_as_one_subscriber_has_it(address: str, subject: str) -> None:
    assert Limiter(Settings(rate_limit_per_minute=60)).by_address(POLICY, address) == subject
