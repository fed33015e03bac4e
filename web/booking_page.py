"""`/b/{slug}`, and `/` at a business's own host name: the page on which its customers book."""

from collections.abc import Sequence
from typing import Any, Final

from fastapi import Request, Response

from api.paths import names_something
from db.engine import autocommit
from db.repositories import businesses, services
from db.repositories.rows import Row
from domain.money import in_major_units
from web.languages import page_language
from web.responses import page_response
from web.site import Site, state_of

_STATES: Final = {"setup": "setup", "suspended": "suspended"}
_MOST_IN_DATA: Final = 50


class BookingPage:
    """The handlers of the page."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def at_path(self, request: Request) -> Response:
        """The page of the business whose slug or id is in the path."""
        return await self._answer(request, request.path_params["business"])

    async def at_host(self, request: Request) -> Response:
        """The page of the business whose host name was asked."""
        return await self._answer(request, self._site.addresses.business_at(request.headers.get("Host", "")))

    async def _answer(self, request: Request, key: str | None) -> Response:
        business, offered = await _read(request, key)
        if business is None:
            return self._site.notice(request, page_language(request), "missing", 404)
        language = page_language(request, business["locale"])
        url = self._site.addresses.booking_page(business["slug"])
        html = self._site.render(
            "booking.html",
            language,
            business=business,
            services=offered,
            state=_STATES.get(business["status"], "open" if offered else "empty"),
            url=url,
            data=_structured(business, offered, url),
        )
        return page_response(request, html)


async def _read(request: Request, key: str | None) -> tuple[Row | None, Sequence[Row]]:
    if key is None or not names_something(key):
        return None, ()
    async with autocommit(state_of(request).engine) as conn:
        business = await businesses.find(conn, key)
        offered = () if business is None else await services.list_all(conn, business["id"])
    return business, offered


def _structured(business: Row, offered: Sequence[Row], url: str) -> dict[str, Any]:
    """What search engines read (schema.org): the business, and what it offers at which price."""
    offers = [
        {
            "@type": "Offer",
            "price": str(in_major_units(service["price_minor"], service["currency"])),
            "priceCurrency": service["currency"],
            "itemOffered": {"@type": "Service", "name": service["name"]}
            | ({"description": service["description"]} if service["description"] else {}),
        }
        for service in offered[:_MOST_IN_DATA]
    ]
    return {
        "@context": "https://schema.org",
        "@type": "LocalBusiness",
        "name": business["name"],
        "url": url,
        "makesOffer": offers,
        "potentialAction": {
            "@type": "ReserveAction",
            "target": {"@type": "EntryPoint", "urlTemplate": url},
            "result": {"@type": "Reservation"},
        },
    }
