"""The routes of the pages and of what they are made of. They are public and not in the API's document."""

from fastapi import Request, Response
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route

from runtime.settings import Settings
from web.assets import ROOT
from web.booking_page import BookingPage
from web.languages import page_language
from web.responses import asset_response, page_response
from web.site import Site


def web_routes(settings: Settings) -> list[BaseRoute]:
    """All routes, for `api.app.create_app`."""
    site = Site(settings)
    booking = BookingPage(site)

    async def static(request: Request) -> Response:
        asset = site.assets.find(request.path_params["path"])
        return PlainTextResponse("not found", 404) if asset is None else asset_response(request, asset)

    async def manage(request: Request) -> Response:
        return page_response(request, site.render("manage.html", page_language(request)))

    return [
        Route("/", site.guarded(booking.at_host)),
        Route("/b/{business}", site.guarded(booking.at_path)),
        Route("/m", manage),
        Route(f"{ROOT}/{{path:path}}", static),
    ]
