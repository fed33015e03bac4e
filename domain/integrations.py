"""The settings, which may be shown, and the secrets of a business's account at each vendor."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, EmailStr, Field, StrictBool, model_validator

from domain.effects import PORT_OF, Port, Vendor
from domain.text_patterns import TextPattern

_Line = Annotated[
    str, Field(min_length=1, max_length=200), TextPattern(r"^[^\x00-\x1f\x7f]+$", "must be one line of text")
]
_Name = Annotated[
    str,
    TextPattern(
        r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$",
        "must be the id that the vendor shows: letters and digits, with dots, hyphens, colons or underscores",
    ),
]
"""An id in the form that vendors use."""
_Digits = Annotated[str, TextPattern(r"^[0-9]{1,20}$", "must be the vendor's number: digits alone, 20 at most")]
_Host = Annotated[
    str,
    TextPattern(
        r"^[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?$",
        "must be a host's name or address alone, as smtp.example.com",
    ),
]
_E164 = Annotated[
    str, TextPattern(r"^\+[1-9][0-9]{6,14}$", "must be a phone number with its country code, as +12125550100")
]


def _twilio_sid(kind: str) -> TextPattern:
    return TextPattern(
        f"^{kind}[0-9a-fA-F]{{32}}$", f"must be an id of Twilio's: {kind} and 32 digits or letters a to f"
    )


class VendorSettings(BaseModel):
    """Base of a vendor's settings; unknown members are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Security(StrEnum):
    """How a connection to a mail server is kept secret."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"
    """To a server on the same machine, for development."""


class SmtpSettings(VendorSettings):
    host: _Host
    port: int = Field(strict=True, default=587, ge=1, le=65_535)
    security: Security = Security.STARTTLS
    username: _Line | None = None
    sender: EmailStr
    sender_name: _Line | None = None
    smtputf8: StrictBool = False
    """The server accepts non-ASCII letters before the @ (RFC 6531); without it, such addresses are rejected."""


class SendgridSettings(VendorSettings):
    sender: EmailStr
    sender_name: _Line | None = None


class KlaviyoSettings(VendorSettings):
    """Klaviyo sends by flows of the business's own: nothing is to be set here."""


class TwilioSettings(VendorSettings):
    account_sid: Annotated[str, _twilio_sid("AC")]
    from_number: _E164 | None = None
    messaging_service_sid: Annotated[str, _twilio_sid("MG")] | None = None

    @model_validator(mode="after")
    def _has_one_sender(self) -> Self:
        if (self.from_number is None) == (self.messaging_service_sid is None):
            raise ValueError("needs either from_number or messaging_service_sid")
        return self


class Premises(VendorSettings):
    """The business's own address."""

    street: _Line
    city: _Line
    region: _Line
    postal_code: _Line
    country: Annotated[str, TextPattern("^[A-Z]{2}$", "must be a country's two capital letters, as US")]


class ServiceTitanSettings(VendorSettings):
    tenant: _Digits
    business_unit_id: int = Field(strict=True, ge=1)
    job_type_id: int = Field(strict=True, ge=1)
    job_types: Annotated[dict[_Name, Annotated[int, Field(strict=True, ge=1)]], Field(max_length=200)] = {}
    """By service code; other services use `job_type_id`."""
    campaign_id: int = Field(strict=True, ge=1)
    cancel_reason_id: int = Field(strict=True, ge=1)
    application_guid: _Name
    premises: Premises | None = None
    """The location of jobs whose booking has no address."""


class StripeSettings(VendorSettings):
    publishable_key: _Name | None = None


class PayjpSettings(VendorSettings):
    public_key: _Name | None = None


class Ga4Settings(VendorSettings):
    measurement_id: Annotated[
        str, TextPattern(r"^G-[A-Z0-9]{1,20}$", "must be a measurement id, G- with capital letters and digits")
    ]


class MetaSettings(VendorSettings):
    pixel_id: _Digits
    test_event_code: _Name | None = None


class GoogleAdsSettings(VendorSettings):
    customer_id: _Digits
    login_customer_id: _Digits | None = None
    conversion_action: _Digits


class S3Settings(VendorSettings):
    bucket: Annotated[
        str,
        TextPattern(
            r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
            "must be a bucket's name: 3 to 63 small letters, digits, dots and hyphens",
        ),
    ]
    region: _Name
    endpoint: Annotated[str, Field(max_length=2000)] | None = None
    """For stores other than Amazon's."""
    prefix: (
        Annotated[
            str,
            TextPattern(
                r"^[A-Za-z0-9/_.-]{0,200}$",
                "must be made of letters, digits, slashes, dots, hyphens and underscores, 200 at most",
            ),
        ]
        | None
    ) = None


@dataclass(frozen=True, slots=True)
class Connection:
    """What a connection to a vendor needs."""

    settings: type[VendorSettings]
    required: frozenset[str] = frozenset()
    """Secrets that are needed from the start."""
    optional: frozenset[str] = frozenset()
    """Secrets that may be added later, such as a webhook secret, which exists once the vendor has our URL."""
    calls_back: bool = False
    """The vendor reports later events to a URL of ours."""

    @property
    def secrets(self) -> frozenset[str]:
        return self.required | self.optional


def _connection(
    settings: type[VendorSettings], *required: str, optional: tuple[str, ...] = (), calls_back: bool = False
) -> Connection:
    return Connection(settings, frozenset(required), frozenset(optional), calls_back)


CONNECTIONS: Final[Mapping[Vendor, Connection]] = MappingProxyType(
    {
        Vendor.SMTP: _connection(SmtpSettings, optional=("password",)),
        Vendor.SENDGRID: _connection(
            SendgridSettings, "api_key", optional=("webhook_public_key",), calls_back=True
        ),
        Vendor.KLAVIYO: _connection(KlaviyoSettings, "api_key"),
        Vendor.TWILIO: _connection(TwilioSettings, "auth_token", calls_back=True),
        Vendor.SERVICETITAN: _connection(ServiceTitanSettings, "client_id", "client_secret", "app_key"),
        Vendor.STRIPE: _connection(StripeSettings, "api_key", optional=("webhook_secret",), calls_back=True),
        Vendor.PAYJP: _connection(PayjpSettings, "api_key", optional=("webhook_token",), calls_back=True),
        Vendor.GA4: _connection(Ga4Settings, "api_secret"),
        Vendor.META: _connection(MetaSettings, "access_token"),
        Vendor.GOOGLE_ADS: _connection(GoogleAdsSettings, "client_id", "client_secret", "refresh_token"),
        Vendor.S3: _connection(S3Settings, "access_key_id", "secret_access_key"),
    }
)
"""Every vendor at which a business can have an account."""


def port_of(vendor: Vendor) -> Port:
    """The vendor's port."""
    return PORT_OF[vendor]


def address_of(vendor: Vendor, settings: Mapping[str, Any]) -> tuple[str, str] | None:
    """The setting that names a host chosen by the business, and that host as a URL; None for most vendors."""
    if vendor is Vendor.SMTP:
        host = settings["host"]
        return "host", f"https://{f'[{host}]' if ':' in host else host}:{settings['port']}/"
    if vendor is Vendor.S3 and settings.get("endpoint"):
        return "endpoint", settings["endpoint"]
    return None
