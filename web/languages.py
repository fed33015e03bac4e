"""The language of a page: what the address or the browser asks for, else the business's."""

from typing import Final

from fastapi import Request

from domain.languages import LAST_RESORT, look_up
from runtime.messages.rendering import LANGUAGES

_MOST: Final = 20


def page_language(request: Request, business_locale: str | None = None) -> str:
    """One of `LANGUAGES`: by `?lang=`, then `Accept-Language`, then the business's locale."""
    asked = (request.query_params.get("lang"), *_accepted(request.headers.get("Accept-Language", "")))
    found = look_up((*asked, business_locale, LAST_RESORT), LANGUAGES)
    assert found is not None, "English is the last preference"
    return found.language


def _accepted(header: str) -> list[str]:
    """The tags of an `Accept-Language` (RFC 9110, section 12.5.4), the most wanted first."""
    wanted = []
    for part in header.split(",")[:_MOST]:
        tag, _, parameter = part.strip().partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            continue
        if tag.strip() != "*" and weight > 0:
            wanted.append((weight, tag.strip()))
    return [tag for _, tag in sorted(wanted, key=lambda one: -one[0])]
