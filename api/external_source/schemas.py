"""A business's outside calendar, as its desk sets it and sees it."""

import re
from datetime import datetime
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, Field, SecretStr, model_validator

from api.shapes import In, Text
from domain.external import OnStale, SourceState

_IN_A_HEADER: Final = re.compile(r"[\x21-\x7e]{1,4000}")


def _fits_a_header(value: SecretStr) -> SecretStr:
    if not _IN_A_HEADER.fullmatch(value.get_secret_value()):
        raise ValueError("must be 1 to 4000 ASCII characters without spaces")
    return value


class ExternalSourceIn(In):
    url: Annotated[Text, Field(min_length=1, max_length=2000)]
    token: Annotated[SecretStr, AfterValidator(_fits_a_header)] | None = None
    """Sent as `Authorization: Bearer …`. Left out, the token stays as long as the URL does; null removes it."""
    on_stale: OnStale = OnStale.OPEN
    interval_seconds: int = Field(strict=True, default=60, ge=10, le=86_400)
    max_age_seconds: int = Field(strict=True, default=900, le=30 * 86_400)
    horizon_days: int = Field(strict=True, default=60, ge=1, le=400)

    @model_validator(mode="after")
    def _data_live_longer_than_the_interval(self) -> Self:
        if self.max_age_seconds < self.interval_seconds:
            raise ValueError("max_age_seconds must not be less than interval_seconds")
        return self

    def keeps_token(self) -> bool:
        """Whether nothing is said of the token."""
        return "token" not in self.model_fields_set


class ExternalSourceOut(BaseModel):
    url: str
    has_token: bool
    on_stale: OnStale
    interval_seconds: int
    max_age_seconds: int
    horizon_days: int
    state: SourceState
    as_of: datetime | None
    """The moment that the data speak of."""
    age_seconds: int | None
    checked_at: datetime | None
    error: str | None
    """Why the last check brought nothing, or not all."""
