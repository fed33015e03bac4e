"""What all pages share: templates, texts, static files and addresses."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from api.deps import AppState
from db.engine import is_outage
from runtime.messages.page_texts import page_texts
from runtime.messages.rendering import LANGUAGES
from runtime.settings import Settings
from web.addresses import Addresses
from web.assets import Assets
from web.languages import page_language
from web.responses import page_response

Handler = Callable[[Request], Awaitable[Response]]

_ESCAPED: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""Characters that could end a script element or start a comment in it."""


class Site:
    """The pages of one installation."""

    def __init__(self, settings: Settings) -> None:
        self.assets = Assets()
        self.addresses = Addresses(settings)
        self._templates = Environment(
            loader=PackageLoader("web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals["asset"] = self.assets.url
        self._templates.globals["modules"] = self.assets.modules
        self._templates.filters["json_data"] = json_data

    def render(self, template: str, language: str, **values: Any) -> str:
        """The page in this language; `t` in the template is a text of the catalogue."""
        texts = page_texts(language, "page")

        def text(key: str, **arguments: Any) -> str:
            return texts[key].format_map(arguments)

        return self._templates.get_template(template).render(
            values | {"language": language, "languages": LANGUAGES, "t": text}
        )

    def notice(self, request: Request, language: str, name: str, status: int) -> Response:
        """A page that says why there is no other, such as `missing`."""
        return page_response(request, self.render("notice.html", language, name=name), status)

    def guarded(self, handler: Handler) -> Handler:
        """The handler, with a page instead of a problem document while the database is away."""

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except Exception as error:
                if not is_outage(error):
                    raise
                response = self.notice(request, page_language(request), "unavailable", 503)
                response.headers["Retry-After"] = "5"
                response.headers["Cache-Control"] = "no-store"
                return response

        return answer


def json_data(content: Any) -> Markup:
    """JSON for a `<script type="application/ld+json">`; no value can end the element."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Markup("".join(_ESCAPED.get(one, one) for one in text))  # noqa: S704 - escaped above  # nosec B704


def state_of(request: Request) -> AppState:
    """The state of the running application."""
    app: AppState = request.app.state.holdfast
    return app
