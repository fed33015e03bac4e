"""Untrusted JSON: one unambiguous reading, or a refusal."""

import pytest

from api.transfer.problems import Problems
from api.transfer.reader import read_json
from domain.errors import ImportInvalidError
from runtime.json import NotJsonError, UnfitJsonError, parse_untrusted


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"a": 1, "a": 1}', "an object has a member twice"),
        (b'[{"b": {"a": 1, "\\u0061": 2}}]', "an object has a member twice"),
        (b"[" * 65 + b"]" * 65, "nested deeper than 64"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested deeper than 64"),
        (b"[" * 100_000, "nested deeper than 64"),
        (b"[NaN]", "a number is NaN or infinite"),
        (b"[-Infinity]", "a number is NaN or infinite"),
        (b"1" * 10_000, "a number is too long"),
        (b'["\xff"]', "not UTF-8"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_reads_in_two_ways_or_not_at_all_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(UnfitJsonError, match=message):
        parse_untrusted(body)


def test_what_is_no_json_says_where() -> None:
    with pytest.raises(NotJsonError, match="not JSON, at line 2, column 1"):
        parse_untrusted(b'{"a":\n}')


def test_an_import_is_read_in_the_same_way() -> None:
    problems = Problems()
    with pytest.raises(ImportInvalidError) as refused:
        read_json(b'{"services": [], "services": []}', problems)
    assert "an object has a member twice" in refused.value.extra["errors"][0]["message"]


def test_what_names_members_once_in_each_object_is_read() -> None:
    assert parse_untrusted(b"[" * 64 + b"]" * 64)
    assert parse_untrusted(b'{"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]}') == {
        "a": {"a": 1},
        "b": [{"a": 1}, {"a": 2}],
    }
