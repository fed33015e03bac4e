"""Answers to browsers: pages with their policy, and static files."""

import gzip
from typing import Final

from fastapi import Request, Response

from api.caching import etag
from web.assets import Asset

_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""Nothing inline, nothing from elsewhere, and no text that becomes markup or code."""
_ONE_YEAR: Final = 365 * 86_400
_WORTH_COMPRESSING: Final = 1024
_VARY: Final = "Accept-Language, Accept-Encoding"


def page_response(request: Request, html: str, status: int = 200, *, is_public: bool = True) -> Response:
    """An HTML page, or 304 if the browser has it. Caches keep a public page and ask each time."""
    body = html.encode()
    tag = etag(body)
    headers = {
        "Content-Security-Policy": _POLICY,
        "Cache-Control": "public, no-cache" if is_public else "private, no-cache",
        "ETag": tag,
        "Vary": _VARY,
    }
    if status == 200 and tag in request.headers.get("If-None-Match", ""):  # noqa: PLR2004
        return Response(status_code=304, headers=headers)
    if len(body) > _WORTH_COMPRESSING and _takes_gzip(request):
        body = gzip.compress(body, 6)
        headers["Content-Encoding"] = "gzip"
    return Response(body, status, headers, "text/html")


def asset_response(request: Request, asset: Asset) -> Response:
    """A static file: its name changes with its content, so it never has to be asked about again.

    Pages of other sites load the widget, so it may be used everywhere.
    """
    headers = {
        "Cache-Control": f"public, max-age={_ONE_YEAR}, immutable",
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Vary": "Accept-Encoding",
    }
    if asset.gzipped is not None and _takes_gzip(request):
        return Response(asset.gzipped, 200, headers | {"Content-Encoding": "gzip"}, asset.media_type)
    return Response(asset.body, 200, headers, asset.media_type)


def _takes_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("Accept-Encoding", "")
