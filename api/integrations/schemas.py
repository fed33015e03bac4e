"""A business's account at a vendor, as its desk sets it and sees it."""

import re
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, SecretStr

from api.shapes import Flag, In
from domain.effects import Port, Vendor

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


class IntegrationOut(BaseModel):
    id: UUID
    vendor: Vendor
    port: Port
    """What it is for. One vendor is enabled for each, but of analytics any number."""
    settings: dict[str, Any]
    has_secrets: bool
    enabled: bool
    callback_url: str | None
    """Where the vendor is to report what happens later; none: it does not."""
    created_at: datetime
    updated_at: datetime


class Integrations(BaseModel):
    items: list[IntegrationOut]
