"""`/openapi.json`, `/asyncapi.json` and `/docs`: two documents, and a page that needs no internet."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Final

from fastapi import FastAPI, Request, Response

from api.caching import Representation, answer_cached, represent
from api.streams.asyncapi import asyncapi_document
from runtime.json import to_json

_CACHE: Final = "public, no-cache"
"""Cached but always revalidated: another version of Holdfast has another document."""

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Holdfast API</title>
<link rel="icon" type="image/png" href="/docs/favicon.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
# A file of its own: the page's policy forbids inline scripts.
_START: Final = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  layout: "BaseLayout",
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
});
"""
_ASSETS: Final = {
    "favicon.png": "image/png",
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
}
"""Swagger UI's files, from `fastapi-offline`."""


def add_pages(app: FastAPI) -> None:
    """Serve the document and the page; these routes are not in the document."""
    _add(app, "/openapi.json", "application/json", lambda: to_json(app.openapi()))
    _add(app, "/asyncapi.json", "application/json", lambda: to_json(asyncapi_document(app.version)))
    _add(app, "/docs", "text/html", _PAGE.encode)
    _add(app, "/docs/start.js", "text/javascript", _START.encode)
    for name, media_type in _ASSETS.items():
        _add(app, f"/docs/{name}", media_type, _reader(name))


def _add(app: FastAPI, path: str, media_type: str, make: Callable[[], bytes]) -> None:
    app.add_route(path, _static(media_type, make), include_in_schema=False)


def _reader(name: str) -> Callable[[], bytes]:
    return lambda: files("fastapi_offline").joinpath("static", name).read_bytes()


def _static(media_type: str, make: Callable[[], bytes]) -> Callable[[Request], Awaitable[Response]]:
    """A route that always answers the same bytes, made in a thread at the first request."""
    lock = asyncio.Lock()
    made: Representation | None = None

    async def answer(request: Request) -> Response:
        nonlocal made
        async with lock:
            if made is None:
                made = await asyncio.to_thread(lambda: represent(make()))
        return answer_cached(request, made, _CACHE, media_type)

    return answer
