"""Hooks that schemathesis loads into its own process."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import schemathesis
from hypothesis import strategies as st
from schemathesis import openapi

openapi.format("phone", st.sampled_from(["+12125550147", "+442071838750", "+4930901820"]))
openapi.format("timezone", st.sampled_from(["Europe/London", "America/New_York", "UTC"]))
openapi.format("origin", st.sampled_from(["https://www.example.com", "https://example.org:8443"]))
openapi.format("email", st.from_regex(r"[a-z0-9]{1,20}@[a-z]{1,20}\.(com|org)", fullmatch=True))

# Within the years that the API takes; what lies outside has tests of its own.
openapi.format("date", st.dates(date(1970, 1, 1), date(2199, 12, 31)).map(date.isoformat))
_SECONDS = st.integers(min_value=0, max_value=int(datetime(2199, 1, 1, tzinfo=UTC).timestamp()))
openapi.format("date-time", _SECONDS.map(lambda at: datetime.fromtimestamp(at, UTC).isoformat()))


@schemathesis.hook
def before_call(_: Any, case: Any, __: dict[str, Any]) -> None:
    """A key for each request: the same key with another body is refused, as it should be.

    And integers are written as such: JSON Schema calls `30.0` one, the API does not take it for one.
    """
    if not (case.meta and case.meta.generation.mode.is_positive):
        return
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = str(uuid4())
    if isinstance(case.body, dict | list):
        case.body = _with_plain_integers(case.body)


def _with_plain_integers(value: Any) -> Any:
    match value:
        case dict():
            return {name: _with_plain_integers(member) for name, member in value.items()}
        case list():
            return [_with_plain_integers(item) for item in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value
