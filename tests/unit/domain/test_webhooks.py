"""Which secrets sign: the current one, and each former one until it expires."""

from datetime import UTC, datetime, timedelta

from domain.webhooks import MOST_FORMER, former_secrets, signing_secrets, stored_form

NOW = datetime(2027, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def test_a_former_secret_signs_until_its_time_is_over() -> None:
    former = former_secrets(stored_form("a"), {}, NOW, NOW + DAY)
    assert signing_secrets(stored_form("b"), former, NOW + DAY / 2) == ["b", "a"]
    assert signing_secrets(stored_form("b"), former, NOW + DAY) == ["b"]


def test_rotating_again_shortens_nobodys_time() -> None:
    first = former_secrets(stored_form("a"), {}, NOW, NOW + DAY)
    second = former_secrets(stored_form("b"), first, NOW + DAY / 2, NOW + DAY)
    assert signing_secrets(stored_form("c"), second, NOW + DAY / 2) == ["c", "b", "a"]
    third = former_secrets(stored_form("c"), second, NOW + DAY * 2, NOW + DAY * 3)
    assert signing_secrets(stored_form("d"), third, NOW + DAY * 2) == ["d", "c"]


def test_without_an_overlap_every_former_secret_ends_at_once() -> None:
    former = former_secrets(stored_form("a"), {}, NOW, NOW + DAY)
    assert former_secrets(stored_form("b"), former, NOW, NOW) == {}


def test_only_so_many_sign_and_the_oldest_go_first() -> None:
    former: dict[str, str] = {}
    for name in "abcdefg":
        former = former_secrets(stored_form(name), former, NOW, NOW + DAY)
    assert list(former) == ["d", "e", "f", "g"]
    assert len(former) == MOST_FORMER
