"""Cursors: opaque, exact, and harmless when somebody makes one up."""

import base64
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.bookings import cursors
from domain.errors import InvalidRequestError

STORABLE = st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(STORABLE, st.uuids())
def test_a_cursor_gives_back_the_very_place_it_was_made_for(starts_at: datetime, booking_id: UUID) -> None:
    assert cursors.decode(cursors.encode(starts_at, booking_id)) == (starts_at, booking_id)


def test_a_cursor_fits_into_a_url_as_it_is() -> None:
    cursor = cursors.encode(datetime(2026, 3, 1, 9, 30, 0, 123456, tzinfo=UTC), UUID(int=2**128 - 1))
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert len(cursor) <= 200


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"|",
        b"nonsense",
        b"2026-03-01T09:00:00+00:00",
        b"2026-03-01T09:00:00+00:00|not-a-uuid",
        b"2026-03-01T09:00:00|00000000-0000-0000-0000-000000000001",
        b"2026-03-01T09:00:00+00:00|00000000-0000-0000-0000-000000000001|more",
        b"\xff\xfe",
    ],
)
def test_a_made_up_cursor_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        cursors.decode(base64.urlsafe_b64encode(raw).decode())


@given(st.text(max_size=200))
def test_no_text_at_all_breaks_the_decoder(text: str) -> None:
    try:
        starts_at, _ = cursors.decode(text)
    except InvalidRequestError:
        return
    assert starts_at.tzinfo is not None
