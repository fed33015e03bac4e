"""The routes of the pages and of what they are made of. They are public and not in the API's document."""

from fastapi import Request, Response
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from runtime.settings import Settings
from web.assets import ROOT
from web.booking_page import BookingPage
from web.languages import page_language
from web.responses import asset_response, page_response
from web.site import Site


class PageRoute(Route):
    """A route that logs and metrics know by its path."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As a route, which is noted in the scope."""
        match, child = super().matches(scope)
        return match, {**child, "route": self} if match is not Match.NONE else child


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
        PageRoute("/", site.guarded(booking.at_host)),
        PageRoute("/b/{business}", site.guarded(booking.at_path)),
        PageRoute("/m", manage),
        PageRoute(f"{ROOT}/{{path:path}}", static),
    ]
