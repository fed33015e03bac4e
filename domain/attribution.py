"""Marketing attribution of a booking, and customer identifiers as vendors' APIs expect them.

A mangled link never prevents a booking: attribution is stored as sent, and values that do not match their vendor's
documentation are dropped when they are read.
"""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

_ClickId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.~-]{1,500}$")]
_Utm = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,100}$")]
_Url = Annotated[str, Field(pattern=r"^https?://[^\s\x00-\x1f\x7f]{1,490}$")]


class Attribution(BaseModel):
    """The members of a booking's `attribution` that vendors use; others are stored and ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    utm_source: _Utm | None = None
    utm_medium: _Utm | None = None
    utm_campaign: _Utm | None = None
    utm_term: _Utm | None = None
    utm_content: _Utm | None = None
    gclid: _ClickId | None = None
    gbraid: _ClickId | None = None
    wbraid: _ClickId | None = None
    fbclid: _ClickId | None = None
    fbc: Annotated[str, Field(pattern=r"^fb\.[0-2]\.[0-9]{10,13}\.[A-Za-z0-9_.~-]{1,450}$")] | None = None
    """The cookie `_fbc`: https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/fbp-and-fbc/"""
    fbp: (
        Annotated[str, Field(pattern=r"^fb\.[0-2]\.[0-9]{10,13}\.[0-9]{1,20}(\.[A-Za-z0-9_-]{1,40})?$")] | None
    ) = None
    """The cookie `_fbp`; same source."""
    ga_client_id: Annotated[str, Field(pattern=r"^[0-9]{1,20}\.[0-9]{1,20}$")] | None = None
    """The result of `gtag('get', …, 'client_id')`: the cookie `_ga` without its `GA1.1.`."""
    ga_session_id: Annotated[str, Field(pattern=r"^[0-9]{1,20}$")] | None = None
    landing_page: _Url | None = None
    user_agent: Annotated[str, Field(pattern=r"^[\x20-\x7e]{1,500}$")] | None = None
    """The browser's; for bookings made through a server, the API cannot know it itself."""


def read_attribution(stored: Mapping[str, Any] | None) -> Attribution:
    """The stored attribution without malformed values."""
    values = {name: value for name, value in (stored or {}).items() if name in Attribution.model_fields}
    if ga_cookie := re.fullmatch(r"GA\d\.\d\.(\d+\.\d+)", str(values.get("ga_client_id", ""))):
        values["ga_client_id"] = ga_cookie[1]
    try:
        return Attribution.model_validate(values)
    except ValidationError as error:
        wrong = {found["loc"][0] for found in error.errors()}
        return Attribution.model_validate({name: value for name, value in values.items() if name not in wrong})


# --- customer identifiers -------------------------------------------------------------------------------------

_GMAIL: Final = frozenset({"gmail.com", "googlemail.com"})


def sha256(value: str) -> str:
    """SHA-256 of the value's UTF-8, as hexadecimal digits."""
    return hashlib.sha256(value.encode()).hexdigest()


def google_email(address: str) -> str:
    """An address hashed as Google requires: lower case, no spaces, for Gmail no dots and no `+…`.

    https://developers.google.com/data-manager/api/devguides/concepts/formatting
    """
    local, _, domain = "".join(address.lower().split()).rpartition("@")
    if domain in _GMAIL:
        local = local.partition("+")[0].replace(".", "")
    return sha256(f"{local}@{domain}")


def google_phone(e164: str) -> str:
    """A number hashed as Google requires: E.164 with its plus sign; same source."""
    return sha256(f"+{_digits(e164)}")


def meta_email(address: str) -> str:
    """An address hashed as Meta requires: trimmed, in lower case.

    https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/customer-information-parameters
    """
    return sha256(address.strip().lower())


def meta_phone(e164: str) -> str:
    """A number hashed as Meta requires: digits only, country code first; same source."""
    return sha256(_digits(e164).lstrip("0"))


def meta_names(name: str) -> tuple[str, str] | None:
    """A person's first and last name, hashed in lower case without punctuation; same source.

    None for a single name: nobody can tell which of the two it is.
    """
    plain = "".join(_letter(character) for character in unicodedata.normalize("NFC", name).lower())
    parts = plain.split()
    return (sha256(parts[0]), sha256(parts[-1])) if len(parts) > 1 else None


def meta_external_id(customer_id: UUID) -> str:
    """Our own customer id, hashed; same source."""
    return sha256(str(customer_id))


def ga4_client_id(customer_id: UUID) -> str:
    """A stable substitute for an unknown browser's client id: `<number>.<number>`.

    Google's own ids have this form, and its validation server rejects any other.
    """
    digest = sha256(f"ga4/{customer_id}")
    return f"{int(digest[:8], 16)}.{int(digest[8:16], 16)}"


def _digits(number: str) -> str:
    return "".join(character for character in number if character.isascii() and character.isdigit())


def _letter(character: str) -> str:
    if character.isspace():
        return " "
    return "" if unicodedata.category(character)[0] in "PSC" else character
