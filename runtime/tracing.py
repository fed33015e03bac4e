"""The trace of a request, propagated as W3C Trace Context (level 1)."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED: Final = 0x01


@dataclass(frozen=True, slots=True)
class Span:
    """Our span of a trace."""

    trace_id: str
    """32 hexadecimal digits, the same in every service of the trace."""
    span_id: str
    """16 hexadecimal digits."""
    is_sampled: bool

    @property
    def traceparent(self) -> str:
        """The header for the next service."""
        return f"00-{self.trace_id}-{self.span_id}-{int(self.is_sampled):02x}"


def begin_span(received: Sequence[str]) -> Span:
    """A span of the trace in the request's `traceparent` headers, or of a new trace.

    A malformed header is ignored (section 3.2 of the recommendation): version ff, ids of only zeros, capital
    letters, anything after version 00's fields, more than one header.
    """
    span_id = _random_hex(8)
    match = _TRACEPARENT.fullmatch(received[0]) if len(received) == 1 else None
    if match is None:
        return Span(_random_hex(16), span_id, is_sampled=False)
    version, trace_id, parent_id, flags, further = match.groups()
    is_known = version != "ff" and not (version == "00" and further)
    if not is_known or not trace_id.strip("0") or not parent_id.strip("0"):
        return Span(_random_hex(16), span_id, is_sampled=False)
    return Span(trace_id, span_id, is_sampled=bool(int(flags, 16) & _SAMPLED))


def _random_hex(octets: int) -> str:
    """Random digits, never all zeros."""
    while not (digits := secrets.token_hex(octets)).strip("0"):
        pass
    return digits
