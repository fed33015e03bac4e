"""Validation of an account at a vendor, and encryption of its secrets."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, Field, SecretStr, ValidationError

from api.answers import invalid
from api.shapes import Flag, In
from db.repositories.rows import Row
from domain.effects import Vendor
from domain.integrations import CONNECTIONS, address_of
from runtime.json import from_json, to_json_text
from runtime.outbound import OutboundRefusedError, check_url
from runtime.secrets import Secrets, SecretsKeyMissingError, SecretUnreadableError

_PLAIN: Final = re.compile(r"[^\x00-\x1f\x7f]{1,4000}")


def _is_plain(value: SecretStr) -> SecretStr:
    if not _PLAIN.fullmatch(value.get_secret_value()):
        raise ValueError("must be 1 to 4000 characters, none of them a control character")
    return value


Secret = Annotated[SecretStr, AfterValidator(_is_plain)]


class IntegrationIn(In):
    settings: dict[str, Any] = Field(default_factory=dict, description="What they are depends on the vendor.")
    secrets: dict[str, Secret | None] = Field(
        default_factory=dict,
        description="Never answered. One that is left out stays as it is; null removes it.",
    )
    enabled: Flag = True


def checked_settings(vendor: Vendor, given: Mapping[str, Any], *, allow_loopback: bool) -> dict[str, Any]:
    """The settings to store, with every member.

    Raises:
        RequestValidationError: they do not fit the vendor, or name a host that we do not call.
    """
    try:
        settings = CONNECTIONS[vendor].settings.model_validate(given).model_dump(mode="json")
    except ValidationError as error:
        found = error.errors(include_input=False, include_context=False, include_url=False)
        raise RequestValidationError(
            [{**one, "loc": ("body", "settings", *one["loc"])} for one in found]
        ) from None
    if (address := address_of(vendor, settings)) is not None:
        member, url = address
        try:
            checked = check_url(url, allow_loopback=allow_loopback)
        except OutboundRefusedError as error:
            raise _invalid_member("settings", member, str(error)) from error
        if settings[member] == url:  # a URL; a mail server has a host here
            settings[member] = checked
    return settings


def kept_secrets(known: Row | None, stored: str | None, vendor: Vendor, settings: Mapping[str, Any]) -> str | None:
    """The encrypted secrets to keep: none if the settings name another host, which must not learn them."""
    if known is None or address_of(vendor, known["settings"]) != address_of(vendor, settings):
        return None
    return stored


def encrypted_secrets(secrets: Secrets, vendor: Vendor, body: IntegrationIn, kept: str | None) -> str | None:
    """All secrets after this change, encrypted; none where there are none.

    Raises:
        RequestValidationError: one is unknown or missing, or they cannot be encrypted.
    """
    if kept is not None and not body.secrets:
        return kept
    _refuse_unknown(vendor, body)
    try:
        before = _opened(secrets, kept) if _needs_those_before(vendor, body) else {}
        given = {name: value.get_secret_value() for name, value in body.secrets.items() if value is not None}
        after = {name: value for name, value in before.items() if name not in body.secrets} | given
        _require_all(vendor, after)
        return secrets.encrypt(to_json_text(after)) if after else None
    except SecretsKeyMissingError as error:
        raise invalid("secrets", f"cannot be stored: {error}. Whoever runs this installation sets it.") from error


def _needs_those_before(vendor: Vendor, body: IntegrationIn) -> bool:
    return not CONNECTIONS[vendor].secrets <= body.secrets.keys()


def _opened(secrets: Secrets, kept: str | None) -> dict[str, str]:
    if kept is None:
        return {}
    try:
        opened: dict[str, str] = from_json(secrets.decrypt(kept))
    except SecretUnreadableError as error:
        raise invalid("secrets", "those that are stored cannot be read any more: send all of them") from error
    return opened


def _refuse_unknown(vendor: Vendor, body: IntegrationIn) -> None:
    known = CONNECTIONS[vendor].secrets
    for name in body.secrets:
        if name not in known:
            raise _invalid_member("secrets", name, f"there is no such secret: {', '.join(sorted(known))}")


def _require_all(vendor: Vendor, secrets: Mapping[str, str]) -> None:
    for name in sorted(CONNECTIONS[vendor].required - secrets.keys()):
        raise _invalid_member("secrets", name, "is missing")


def _invalid_member(part: str, member: str, message: str) -> RequestValidationError:
    return RequestValidationError([{"loc": ("body", part, member), "msg": message}])
