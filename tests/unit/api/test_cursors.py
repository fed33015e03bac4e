"""Cursors: opaque, exact and impossible to forge."""

import base64
import string
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.cursors import LONGEST, Cursors
from domain.errors import InvalidCursorError

CURSORS = Cursors(b"one secret")
LISTING = "time-off/0192f0c1-aaaa-7bbb-8ccc-0123456789ab"
STORABLE = st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
PLACE = (datetime(2026, 3, 1, 9, 30, 0, 123456, tzinfo=UTC), UUID(int=2**128 - 1))


@settings(max_examples=50)
@given(STORABLE, st.uuids(), st.integers(), st.text(max_size=20))
def test_a_cursor_gives_back_the_very_place_it_was_made_for(
    at: datetime, id_: UUID, number: int, word: str
) -> None:
    cursor = CURSORS.encode(LISTING, at, id_, number, word)
    assert CURSORS.decode(LISTING, cursor) == (at, id_, number, word)


def test_a_cursor_fits_into_a_url_as_it_is() -> None:
    cursor = CURSORS.encode(LISTING, *PLACE)
    assert set(cursor) <= set(string.ascii_letters + string.digits + "-_.")
    assert len(cursor) <= 200 < LONGEST


def test_a_cursor_that_was_changed_anywhere_is_refused() -> None:
    cursor = CURSORS.encode(LISTING, *PLACE)
    changed = {cursor[:at] + other + cursor[at + 1 :] for at in range(len(cursor)) for other in "A_b9."} - {cursor}
    for one in [*changed, cursor + "A", cursor + "=", cursor[:-1], cursor[1:], f" {cursor}", ""]:
        with pytest.raises(InvalidCursorError):
            CURSORS.decode(LISTING, one)


def test_a_cursor_of_another_listing_or_another_secret_is_refused() -> None:
    cursor = CURSORS.encode("customers/one", *PLACE)
    with pytest.raises(InvalidCursorError):
        CURSORS.decode("customers/other", cursor)
    with pytest.raises(InvalidCursorError):
        Cursors(b"another secret").decode("customers/one", cursor)


def test_an_unsigned_cursor_is_refused() -> None:
    raw = b"2026-03-01T09:00:00+00:00|00000000-0000-0000-0000-000000000001"
    with pytest.raises(InvalidCursorError):
        CURSORS.decode(LISTING, base64.urlsafe_b64encode(raw).decode())


@given(st.text(max_size=200) | st.text(st.characters(), max_size=20))
def test_no_text_at_all_breaks_the_decoder(text: str) -> None:
    with pytest.raises(InvalidCursorError):
        CURSORS.decode(LISTING, text)
