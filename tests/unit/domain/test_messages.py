"""Messages: whether one may still be sent, to whom, in which language, and how dates are written in it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from domain.dates import date_format_for, zone_label
from domain.languages import canonical, look_up
from domain.lifecycle import Status
from domain.links import LONGEST_NAME
from domain.messages import (
    AUDIENCES,
    Announcement,
    BookingSnapshot,
    Channel,
    Facts,
    Suppressed,
    display_name,
    is_still_true,
    one_line,
    suppression_reason,
)
from domain.notifications import Audience, NoticeKind, notices_of_step, reminder_due
from domain.steps import StepKind
from domain.timeline import Reminder
from tests.support.domain.builders import ANA, BEN, LATER, NOW, STARTS_AT, booking, step

_FACTS = Facts(
    audience=Audience.CUSTOMER,
    business_name="Corner Garage",
    business_locale="en-US",
    business_timezone="America/New_York",
    reference="7K3MQ9T",
    status=Status.ACCEPTED,
    starts_at=STARTS_AT,
    ends_at=STARTS_AT + timedelta(hours=1),
    booking_timezone="America/New_York",
    service_name="Repair",
    provider_name="Ana",
    provider_timezone=None,
    customer_name="Casey Roe",
    customer_locale=None,
    customer_timezone=None,
)
_STANDING = BookingSnapshot(Status.ACCEPTED, STARTS_AT, ANA, needs_attention=False)


def announcement(
    kind: NoticeKind, audience: Audience = Audience.CUSTOMER, provider: UUID | None = None
) -> Announcement:
    return Announcement(kind, audience, STARTS_AT, provider)


def true_in(kind: NoticeKind, audience: Audience = Audience.CUSTOMER, **changes: Any) -> set[Status]:
    """The statuses in which a message of this kind is true."""
    ways = {status: replace(_STANDING, status=status, **changes) for status in Status}
    return {status for status, now in ways.items() if is_still_true(announcement(kind, audience), now, NOW)}


def test_each_kind_of_message_is_true_in_its_statuses_only() -> None:
    alive = set(Status) - {Status.CANCELLED}
    assert true_in(NoticeKind.CANCELLED) == {Status.CANCELLED}
    assert true_in(NoticeKind.RECEIVED) == alive
    assert true_in(NoticeKind.RESCHEDULED) == alive
    assert true_in(NoticeKind.OFFERED) == {Status.ASSIGNED}
    assert true_in(NoticeKind.CONFIRMED) == {Status.ACCEPTED, Status.IN_PROGRESS, Status.COMPLETED}
    assert true_in(NoticeKind.COMPLETED) == {Status.COMPLETED}
    assert true_in(NoticeKind.REMINDER) == {Status.PENDING, Status.ASSIGNED, Status.ACCEPTED, Status.REJECTED}
    assert true_in(NoticeKind.NEEDS_ATTENTION) == set()
    assert true_in(NoticeKind.NEEDS_ATTENTION, needs_attention=True) == alive


@pytest.mark.parametrize("kind", sorted(set(NoticeKind) - {NoticeKind.CANCELLED, NoticeKind.NEEDS_ATTENTION}))
def test_nothing_is_said_of_a_time_that_was_given_up(kind: NoticeKind) -> None:
    assert true_in(kind, starts_at=LATER) == set()


def test_a_provider_who_no_longer_has_the_booking_is_told_nothing_but_of_its_cancellation() -> None:
    assigned = replace(_STANDING, status=Status.ASSIGNED)
    offered = announcement(NoticeKind.OFFERED, Audience.PROVIDER, ANA)
    assert is_still_true(offered, assigned, NOW)
    assert not is_still_true(offered, replace(assigned, provider_id=BEN), NOW)
    cancelled = replace(_STANDING, status=Status.CANCELLED, provider_id=BEN)
    assert is_still_true(announcement(NoticeKind.CANCELLED, Audience.PROVIDER, ANA), cancelled, NOW)


def test_a_provider_whom_the_booking_has_left_is_told_so_unless_they_have_it_again() -> None:
    left = announcement(NoticeKind.CANCELLED, Audience.PROVIDER, ANA)
    for provider, status in ((BEN, Status.ACCEPTED), (ANA, Status.PENDING), (BEN, Status.CANCELLED)):
        assert is_still_true(left, replace(_STANDING, status=status, provider_id=provider), NOW)
    assert not is_still_true(left, _STANDING, NOW)


def test_a_reminder_is_true_until_the_start() -> None:
    reminder = announcement(NoticeKind.REMINDER)
    assert is_still_true(reminder, _STANDING, STARTS_AT - timedelta(seconds=1))
    assert not is_still_true(reminder, _STANDING, STARTS_AT)


@pytest.mark.parametrize(
    ("channel", "audience", "address", "consent", "expected"),
    [
        (Channel.EMAIL, Audience.CUSTOMER, "a@example.com", None, None),
        (Channel.EMAIL, Audience.CUSTOMER, "a@example.com", True, None),
        (Channel.EMAIL, Audience.CUSTOMER, "a@example.com", False, Suppressed.NO_CONSENT),
        (Channel.SMS, Audience.CUSTOMER, "+12125550100", None, Suppressed.NO_CONSENT),
        (Channel.SMS, Audience.CUSTOMER, "+12125550100", False, Suppressed.NO_CONSENT),
        (Channel.SMS, Audience.CUSTOMER, "+12125550100", True, None),
        (Channel.SMS, Audience.PROVIDER, "+12125550100", None, None),
        (Channel.EMAIL, Audience.OWNER, None, None, Suppressed.NO_ADDRESS),
    ],
)
def test_a_text_needs_consent_and_an_e_mail_heeds_a_refusal(
    channel: Channel, audience: Audience, address: str | None, consent: bool | None, expected: Suppressed | None
) -> None:
    assert suppression_reason(channel, audience, address, consent) == expected


def test_all_that_is_told_by_a_step_or_a_reminder_is_among_the_audiences() -> None:
    announced: set[tuple[NoticeKind, Audience]] = set()
    for status in Status:
        for kind in (StepKind.TRANSITION, StepKind.RESCHEDULED):
            for state in (booking(status), booking(status, version=2, needs_attention=True)):
                announced |= {(one.kind, one.audience) for one in notices_of_step(step(kind, state), state)}
    brought_back = step(StepKind.OVERRIDE, booking(Status.ACCEPTED), before=booking(Status.CANCELLED))
    announced |= {(one.kind, one.audience) for one in notices_of_step(brought_back, brought_back.after)}
    due = reminder_due(booking(Status.ACCEPTED), Reminder(at=NOW, minutes_before=10), NOW)
    announced |= {(one.kind, one.audience) for one in due.notices}
    assert announced == {(kind, audience) for kind, audiences in AUDIENCES.items() for audience in audiences}


def test_a_notice_to_a_provider_names_them_and_every_notice_the_version() -> None:
    state = booking(Status.CANCELLED)
    notices = {one.audience: one for one in notices_of_step(step(StepKind.TRANSITION, state), state)}
    assert notices[Audience.PROVIDER].provider_id == ANA
    assert notices[Audience.CUSTOMER].provider_id is None
    assert {one.booking_version for one in notices.values()} == {state.version}


@pytest.mark.parametrize(
    "name",
    [
        "Casey Roe",
        "Dr. Seuss",
        "O'Hara-Müller",
        "山田 太郎",
        "山田.太郎",
        "J. R. Ewing",
        "J.R.R. Tolkien",
        "St.John Rivers",
        "Müller GmbH & Co.KG",
        "Sam e.V.",
        "c/o Schmidt",
        "No.1 Cafe",
        "U.S.A. Roe",
    ],
)
def test_names_are_written_as_they_are(name: str) -> None:
    assert display_name(name) == name


def test_a_name_is_one_line() -> None:
    assert display_name("Casey\r\nBcc\x07 \u2028Roe ") == "Casey Bcc Roe"


@pytest.mark.parametrize(
    "name",
    [
        "WIN http://evil.example/x",
        "See evil.example",
        "evil\u3002com",
        "evil\uff0ecom",
        "evil\uff61com",
        "ev\u200bil.com",
        "ev\u2060il\u200d.com",
        "evil\x07.com",
        "EVIL.COM",
        "evil.co/x",
        "evil.com.then",
        "www.evil.ru",
        "https\uff1a//evil",
        "http:evil",
        "mailto:evil",
        "a@b",
        "10.0.0.1",
        "xn--80ak.xn--p1ai",
        "зло.рф",
        "\\\\evil\\x",
    ],
)
def test_a_name_with_a_link_is_left_out(name: str) -> None:
    assert display_name(name) == ""


def test_names_that_only_their_dots_make_a_domain_are_set_apart() -> None:
    assert [display_name(name) for name in ("Anna.Li", "Dr.Love Roe", "Smith & Co.Ltd")] == [
        "Anna. Li",
        "Dr. Love Roe",
        "Smith & Co. Ltd",
    ]


def test_a_name_that_could_be_a_text_of_its_own_is_shortened() -> None:
    shown = display_name("Win " * 40)
    assert len(shown) <= LONGEST_NAME
    assert shown.endswith("…")


def test_facts_hold_a_customer_s_name_without_links_whoever_reads_them() -> None:
    for audience in Audience:
        facts = replace(_FACTS, audience=audience, customer_name="WIN http://evil.example/x")
        assert facts.customer_name == ""


def test_a_business_that_nobody_approved_puts_no_link_into_any_name() -> None:
    lured = replace(
        _FACTS, business_name="evil.example", service_name="See evil.com", provider_name="www.evil.com"
    )
    plain = lured.without_own_links()
    assert (plain.business_name, plain.service_name, plain.provider_name) == ("", "", "")
    assert replace(_FACTS, provider_name=None).without_own_links().provider_name is None


@pytest.mark.parametrize(
    "name",
    [
        "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627",
        "Ann \U0001f469\u200d\U0001f52c",
        "\u05d3\u05e0\u05d4\u200f (VIP)",
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "Br\u00e1\u00adulio",
        "\U0001fae8",
        "\ue000",
    ],
    ids=["zwnj", "zwj", "mark", "tags", "soft hyphen", "newer than this Unicode", "private use"],
)
def test_the_spelling_of_a_name_stays(name: str) -> None:
    assert one_line(name) == display_name(name) == name


@pytest.mark.parametrize("control", ["\u202e", "\u2066", "\x1b", "\x85", "\u2028", "\ud800"])
def test_what_steers_the_text_behind_it_becomes_a_blank(control: str) -> None:
    assert one_line(f"Casey{control}Roe") == "Casey Roe"


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        (["de-AT", "en"], ("de", "de-AT")),
        (["de-CH-1996"], ("de-CH", "de-CH-1996")),
        (["DE"], ("de", "DE")),
        (["fr", "pt-BR", "en-GB"], ("en", "en-GB")),
        ([None, "zh-Hant-x-private"], ("zh-Hant", "zh-Hant-x-private")),
        (["fr"], None),
    ],
)
def test_a_language_is_found_by_lookup(wishes: list[str | None], expected: tuple[str, str] | None) -> None:
    assert look_up(wishes, {"en", "de", "de-CH", "zh-Hant"}) == expected


def test_a_tag_is_written_by_convention() -> None:
    assert [canonical(tag) for tag in ("EN-us", "ZH-hant-tw", "de", "en-x-AB")] == [
        "en-US",
        "zh-Hant-TW",
        "de",
        "en-x-ab",
    ]


@pytest.mark.parametrize(
    ("tag", "written"),
    [
        ("en", "Friday, March 5, 2027 at 2:30 PM"),
        ("en-GB", "Friday 5 March 2027 at 14:30"),
        ("de-AT", "Freitag, 5. März 2027 um 14:30 Uhr"),
        ("es-MX", "viernes, 5 de marzo de 2027, 14:30"),
        ("ja", "2027年3月5日金曜日 14:30"),
        ("fr", "2027-03-05 14:30"),
    ],
)
def test_dates_are_written_as_the_language_has_them(tag: str, written: str) -> None:
    assert date_format_for(tag).moment(datetime(2027, 3, 5, 14, 30, tzinfo=UTC)) == written


def test_noon_and_midnight_are_twelve() -> None:
    write = date_format_for("en-US").time
    assert [write(datetime(2027, 1, 1, hour, tzinfo=UTC).time()) for hour in (0, 12)] == ["12:00 AM", "12:00 PM"]


def test_a_zone_without_an_abbreviation_is_called_by_its_offset() -> None:
    at = datetime(2027, 7, 1, tzinfo=UTC)
    zones = ("Europe/Berlin", "America/Sao_Paulo", "UTC")
    assert [zone_label(at.astimezone(ZoneInfo(zone))) for zone in zones] == ["CEST", "UTC-03:00", "UTC"]
