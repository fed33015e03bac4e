"""Texts: the number of segments, and what is left out to reduce it."""

import pytest

from domain.sms import in_gsm_alphabet, segments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("ñ¿¡éÄß€"[:-1] + "a" * 154, 1),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("á" + "a" * 69, 1),
        ("á" + "a" * 70, 2),
        ("á" + "a" * 134, 3),
        ("\U0001f600" * 35, 1),
        ("\U0001f600" * 36, 2),
    ],
)
def test_segments_are_counted_as_networks_do(text: str, expected: int) -> None:
    assert segments(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sábado, señor Ángel, ¿está bien?", "sabado, señor Angel, ¿esta bien?"),
        ("Grüße, Dvořák \u2013 \u201cça va\u201d…", 'Grüße, Dvorak - "ca va"...'),
        ("予約 á", "予約 á"),
        ("Łódź", "Łódź"),
        ("\U0001f600 á", "\U0001f600 á"),
    ],
)
def test_accents_are_left_out_only_where_that_is_enough(text: str, expected: str) -> None:
    assert in_gsm_alphabet(text) == expected
