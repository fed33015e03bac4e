"""Where a booking came from, as the page that it was made on has told, and who made it, as vendors may be told.

Nobody's booking is refused because a link was mangled on its way: what is stored is what was sent, and what does
not look as its vendor documents it is left out here, when it is read.
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
    """The members of a booking's `attribution` that mean something to a vendor; others are kept, and not read."""

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
    """The cookie `_fbp`, ibidem."""
    ga_client_id: Annotated[str, Field(pattern=r"^[0-9]{1,20}\.[0-9]{1,20}$")] | None = None
    """What `gtag('get', …, 'client_id')` says: the cookie `_ga` without its `GA1.1.`."""
    ga_session_id: Annotated[str, Field(pattern=r"^[0-9]{1,20}$")] | None = None
    landing_page: _Url | None = None
    user_agent: Annotated[str, Field(pattern=r"^[\x20-\x7e]{1,500}$")] | None = None
    """Of the browser; the API cannot know it of whoever books through a server."""


def read_attribution(stored: Mapping[str, Any] | None) -> Attribution:
    """What is stored, without whatever does not look as it should."""
    values = {name: value for name, value in (stored or {}).items() if name in Attribution.model_fields}
    if ga_cookie := re.fullmatch(r"GA\d\.\d\.(\d+\.\d+)", str(values.get("ga_client_id", ""))):
        values["ga_client_id"] = ga_cookie[1]
    try:
        return Attribution.model_validate(values)
    except ValidationError as error:
        wrong = {found["loc"][0] for found in error.errors()}
        return Attribution.model_validate({name: value for name, value in values.items() if name not in wrong})


# --- what tells one person from another -----------------------------------------------------------------------

_GMAIL: Final = frozenset({"gmail.com", "googlemail.com"})


def sha256(value: str) -> str:
    """The digest of the value's UTF-8, in hexadecimal digits."""
    return hashlib.sha256(value.encode()).hexdigest()


def google_email(address: str) -> str:
    """The digest of an address as Google wants it: lower case, no space, and of Gmail's no dots and no `+…`.

    https://developers.google.com/data-manager/api/devguides/concepts/formatting
    """
    local, _, domain = "".join(address.lower().split()).rpartition("@")
    if domain in _GMAIL:
        local = local.partition("+")[0].replace(".", "")
    return sha256(f"{local}@{domain}")


def google_phone(e164: str) -> str:
    """The digest of a number as Google wants it: E.164 with its plus sign, ibidem."""
    return sha256(f"+{_digits(e164)}")


def meta_email(address: str) -> str:
    """The digest of an address as Meta wants it: trimmed, in lower case.

    https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/customer-information-parameters
    """
    return sha256(address.strip().lower())


def meta_phone(e164: str) -> str:
    """The digest of a number as Meta wants it: digits alone, the country code first, ibidem."""
    return sha256(_digits(e164).lstrip("0"))


def meta_names(name: str) -> tuple[str, str] | None:
    """The digests of the first and the last of a person's names, in lower case and without punctuation, ibidem.

    None of a name that is not made of parts: which of the two it is cannot be known.
    """
    plain = "".join(_letter(character) for character in unicodedata.normalize("NFC", name).lower())
    parts = plain.split()
    return (sha256(parts[0]), sha256(parts[-1])) if len(parts) > 1 else None


def meta_external_id(customer_id: UUID) -> str:
    """The digest of our own id of a customer, ibidem."""
    return sha256(str(customer_id))


def ga4_client_id(customer_id: UUID) -> str:
    """A stable stand-in for the client id of somebody whose browser we know nothing of: `<number>.<number>`.

    Google's own has this shape, and its validation server refuses any other.
    """
    digest = sha256(f"ga4/{customer_id}")
    return f"{int(digest[:8], 16)}.{int(digest[8:16], 16)}"


def _digits(number: str) -> str:
    return "".join(character for character in number if character.isascii() and character.isdigit())


def _letter(character: str) -> str:
    if character.isspace():
        return " "
    return "" if unicodedata.category(character)[0] in "PSC" else character
