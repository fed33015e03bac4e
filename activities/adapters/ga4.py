"""Google Analytics 4, through the Measurement Protocol.

https://developers.google.com/analytics/devguides/collection/protocol/ga4/reference
It answers 2xx to everything and silently drops what is invalid, so the rules are checked here.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from activities.adapters.vendor_http import new_client, raise_for, send
from activities.ports import Conversion
from activities.vendor_calls import Call
from domain.attribution import ga4_client_id
from domain.effects import ObsoleteError, VendorError
from domain.integrations import Ga4Settings

URL: Final = "https://www.google-analytics.com"
_OLDEST: Final = timedelta(hours=72)

_Consent = Literal["GRANTED", "DENIED"]
_ParamText = Annotated[str, Field(min_length=1, max_length=100)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _ConsentIn(_Strict):
    ad_user_data: _Consent
    ad_personalization: _Consent


class _Item(_Strict):
    item_id: _ParamText
    price: float
    quantity: int = 1


class _Purchase(_Strict):
    """The event's parameters: .../ga4/reference/events#purchase."""

    transaction_id: _ParamText
    value: float
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    items: Annotated[list[_Item], Field(min_length=1, max_length=200)]
    session_id: Annotated[str, Field(pattern=r"^\d+$")] | None = None
    engagement_time_msec: int = 1


class _Event(_Strict):
    name: Literal["purchase"] = "purchase"
    params: _Purchase


class _Body(_Strict):
    client_id: Annotated[str, Field(pattern=r"^\d+\.\d+$")]
    timestamp_micros: Annotated[int, Field(ge=10**15)]
    consent: _ConsentIn
    events: Annotated[list[_Event], Field(min_length=1, max_length=25)]


class Ga4:
    """A property's data stream. GA4 counts one `purchase` event per transaction id.

    https://support.google.com/analytics/answer/12313109
    """

    def __init__(self, base_url: str = URL) -> None:
        self._http = new_client(base_url)

    async def report(self, call: Call, conversion: Conversion) -> str | None:
        """See `Analytics`. Events may be at most 72 hours old; GA4 returns no id."""
        if datetime.now(UTC) - conversion.happened_at > _OLDEST:
            raise ObsoleteError("too_late")
        try:
            settings = Ga4Settings.model_validate(call.account.settings)
            body = _body(conversion).model_dump(mode="json", exclude_none=True)
        except ValidationError:
            raise VendorError("invalid_request", permanent=True) from None
        await call.confirm()
        raise_for(await send(self._http, self._request(settings, call.account.secrets["api_secret"], body)))
        return None

    def _request(self, settings: Ga4Settings, secret: str, body: dict[str, Any]) -> Any:
        query = {"measurement_id": settings.measurement_id, "api_secret": secret}
        return self._http.build_request("POST", "/mp/collect", params=query, json=body)


def _body(conversion: Conversion) -> _Body:
    value, known = float(conversion.value), conversion.attribution
    return _Body(
        client_id=known.ga_client_id or ga4_client_id(conversion.customer_id),
        timestamp_micros=int(conversion.happened_at.timestamp() * 1_000_000),
        consent=_ConsentIn(
            ad_user_data="GRANTED",  # without this consent nothing is reported
            ad_personalization="GRANTED" if conversion.may_personalise else "DENIED",
        ),
        events=[
            _Event(
                params=_Purchase(
                    transaction_id=conversion.reference,
                    value=value,
                    currency=conversion.currency,
                    items=[_Item(item_id=conversion.service, price=value)],
                    session_id=known.ga_session_id,
                )
            )
        ],
    )
