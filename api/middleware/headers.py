"""Security headers of every answer."""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import Message

from api.request_context import RequestContext

_NO_CONTENT: Final = b"default-src 'none'; frame-ancestors 'none'"
_DOCS: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""`/docs` runs Swagger UI from our own files; it writes inline styles."""
_ONE_YEAR: Final = 365 * 86_400
# As in the OWASP REST Security Cheat Sheet; browsers apply Strict-Transport-Security over TLS only.
_SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=%d" % _ONE_YEAR),
    (b"cross-origin-resource-policy", b"same-origin"),
)


FIXED: Final = (*_SECURITY, (b"content-security-policy", _NO_CONTENT))
"""The headers of every answer but pages, which have policies of their own."""
_REPLACEABLE: Final = frozenset({b"content-security-policy", b"cross-origin-resource-policy"})
"""What an answer may set itself."""


def add_headers(start: Message, context: RequestContext, path: str) -> None:
    """Add them to an `http.response.start`."""
    headers = MutableHeaders(scope=start)
    headers.setdefault("Cache-Control", "no-store")
    headers.add_vary_header("Origin")
    headers.update(context.headers)
    headers["X-Request-ID"] = context.request_id
    fixed = (*_SECURITY, (b"content-security-policy", _DOCS)) if path == "/docs" else FIXED
    own = {name for name, _ in headers.raw} & _REPLACEABLE
    headers.raw.extend(header for header in fixed if header[0] not in own)
