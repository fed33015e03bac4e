"""Language negotiation: the lookup of RFC 4647, section 3.4."""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

LAST_RESORT: Final = "en"


class LanguageMatch(NamedTuple):
    """An available language, and the preference that led to it."""

    language: str
    """As listed among the available ones."""
    preference: str
    """For example `de-AT` when only `de` is available; dates are formatted for it."""


def look_up(preferences: Sequence[str | None], available: Collection[str]) -> LanguageMatch | None:
    """The first preference that is available, each shortened from its end until it matches.

    Case is ignored. None: no preference is available.
    """
    known = {language.lower(): language for language in available}
    for preference in preferences:
        tag = (preference or "").lower()
        while tag:
            if tag in known:
                return LanguageMatch(known[tag], preference or tag)
            tag = _cut_back(tag)
    return None


def canonical(tag: str) -> str:
    """The tag in conventional case (RFC 5646, section 2.1.1): `zh-Hant-TW`."""
    first, *rest = tag.lower().split("-")
    written = [first]
    for part in rest:
        after_singleton = len(written[-1]) == 1
        cased = {2: part.upper(), 4: part.title()}.get(len(part), part)
        written.append(part if after_singleton else cased)
    return "-".join(written)


def _cut_back(tag: str) -> str:
    """The tag without its last subtag, and without a single-character subtag before that."""
    rest = tag.rpartition("-")[0]
    head, _, last = rest.rpartition("-")
    return head if len(last) == 1 else rest
