"""Which of the languages that something is written in somebody gets: RFC 4647, section 3.4 (lookup)."""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

LAST_RESORT: Final = "en"


class LanguageMatch(NamedTuple):
    """A language that there is, and the wish that led to it."""

    language: str
    """As it was given among those that there are."""
    wish: str
    """As `de-AT`, where there is only `de`: dates are written as there."""


def look_up(wishes: Sequence[str | None], available: Collection[str]) -> LanguageMatch | None:
    """The first wish that can be fulfilled, each cut back from its end until something is there.

    Case does not matter. None: nothing that is wished for is there.
    """
    known = {language.lower(): language for language in available}
    for wish in wishes:
        tag = (wish or "").lower()
        while tag:
            if tag in known:
                return LanguageMatch(known[tag], wish or tag)
            tag = _cut_back(tag)
    return None


def canonical(tag: str) -> str:
    """The tag as it is written by convention (RFC 5646, section 2.1.1): `zh-Hant-TW`."""
    first, *rest = tag.lower().split("-")
    written = [first]
    for part in rest:
        after_singleton = len(written[-1]) == 1
        cased = {2: part.upper(), 4: part.title()}.get(len(part), part)
        written.append(part if after_singleton else cased)
    return "-".join(written)


def _cut_back(tag: str) -> str:
    """Without its last subtag, and without a single letter or digit that introduced it."""
    rest = tag.rpartition("-")[0]
    head, _, last = rest.rpartition("-")
    return head if len(last) == 1 else rest
