"""Shapes that resources share on the wire, with their validation."""

from typing import Annotated, Any, Final

import phonenumbers
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    EmailStr,
    Field,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from domain.languages import canonical
from domain.mail_addresses import is_carriers
from domain.text_patterns import TextPattern
from domain.zones import selectable_zone


def _e164(value: str) -> str:
    try:
        number = phonenumbers.parse(value)
    except phonenumbers.NumberParseException as error:
        raise ValueError("not a phone number; write it with its country code, as +1 212 555 0100") from error
    if not phonenumbers.is_possible_number(number):
        raise ValueError("no phone number has this many digits in this country")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _lower(value: str) -> str:
    return value.lower()


def _unless_carriers(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """Accept addresses that Japanese carriers issued against RFC 5322."""
    return value if isinstance(value, str) and is_carriers(value) else check(value)


def _without_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain the NUL character")
    return value


def _said(value: object) -> object:
    if isinstance(value, bool | None):
        return value
    raise ValueError("must be true or false")


Text = Annotated[str, AfterValidator(_without_nul)]
Flag = Annotated[bool, BeforeValidator(_said)]
"""true or false: 0, "true", "no" and the like are refused."""
Phone = Annotated[Text, Field(max_length=40, json_schema_extra={"format": "phone"}), AfterValidator(_e164)]
Email = Annotated[EmailStr, WrapValidator(_unless_carriers), AfterValidator(_lower)]
Line = Annotated[Text, Field(min_length=1, max_length=200)]
ReasonText = Annotated[Text, Field(min_length=1, max_length=1000)]


ABSENT: Final[Any] = Field(default_factory=lambda: None)
"""The default of a member of a change: never read, as only members that were sent are; null is refused."""


class In(BaseModel):
    """Base of what callers send: fields we do not know are refused."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


def _zone(value: str) -> str:
    return selectable_zone(value).key


Zone = Annotated[str, Field(max_length=64, json_schema_extra={"format": "timezone"}), AfterValidator(_zone)]
"""An IANA zone, as Europe/London."""
Slug = Annotated[
    str,
    TextPattern(
        "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        "must be made of small letters a to z, digits and hyphens between them, 63 at most, as corner-salon",
    ),
]
"""A DNS label: it can be a subdomain."""
Code = Annotated[
    str,
    TextPattern(
        "^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$",
        "must be made of small letters a to z, digits, hyphens and underscores between them, 63 at most, as cut-1",
    ),
]
"""A business's own key for something it has."""
CurrencyCode = Annotated[
    str,
    Field(description="ISO 4217"),
    TextPattern("^[A-Z]{3}$", "must be a currency's three capital letters, as EUR"),
]
CountryCode = Annotated[str, TextPattern("^[A-Z]{2}$", "must be a country's two capital letters, as US")]
"""ISO 3166-1 alpha-2."""
Locale = Annotated[
    str,
    Field(max_length=35, description="BCP 47, as en-US"),
    TextPattern("^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", "must be a language tag, as en-US"),
]
Language = Annotated[Locale, AfterValidator(canonical)]
"""A language tag as it is written by convention."""
Skill = Code
Skills = Annotated[list[Skill], Field(max_length=50)]


class Money(BaseModel):
    amount_minor: int
    """In the currency's minor unit (cents)."""
    currency: str
