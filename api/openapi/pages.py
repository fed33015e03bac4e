"""`/openapi.json` and `/docs`: the document as bytes that are made once, and a page to read it."""

import asyncio
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html

from api.caching import Representation, answer_cached, represent
from runtime.json import to_json

_PATH: Final = "/openapi.json"
_CACHE: Final = "public, no-cache"
"""May be kept, must be asked about each time: another version of Holdfast has another document."""


def add_pages(app: FastAPI) -> None:
    """Let the application answer with its document; both routes are outside of it."""
    document = _Document(app)
    page = get_swagger_ui_html(openapi_url=_PATH, title=f"{app.title} - Swagger UI")

    async def docs(request: Request) -> Response:
        return page

    app.add_route(_PATH, document.answer, include_in_schema=False)
    app.add_route("/docs", docs, include_in_schema=False)


class _Document:
    """Made in a thread when somebody first asks: it takes long, and the same bytes serve everybody."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._lock = asyncio.Lock()
        self._made: Representation | None = None

    async def answer(self, request: Request) -> Response:
        """The document, or 304."""
        async with self._lock:
            if self._made is None:
                self._made = await asyncio.to_thread(self._make)
        return answer_cached(request, self._made, _CACHE)

    def _make(self) -> Representation:
        return represent(to_json(self._app.openapi()))
