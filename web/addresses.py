"""Addresses of the pages: below the installation's own address, or each business at a host name of its own."""

import re
from typing import Final
from urllib.parse import urlsplit

from runtime.settings import Settings

_LABEL: Final = re.compile("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class Addresses:
    """Where pages are, by `HOLDFAST_PUBLIC_URL` and `HOLDFAST_BASE_DOMAIN`."""

    def __init__(self, settings: Settings) -> None:
        self._public_url = settings.public_url.rstrip("/")
        self._base_domain = settings.base_domain

    def business_at(self, host: str) -> str | None:
        """The slug that a `Host` header names; None: it is no business's host name."""
        if not self._base_domain:
            return None
        name = host.lower().rpartition(":")[0] if re.search(r":\d+$", host) else host.lower()
        slug, dot, rest = name.rstrip(".").partition(".")
        return slug if dot and rest == self._base_domain and _LABEL.fullmatch(slug) else None

    def booking_page(self, slug: str) -> str:
        """The public address of a business's booking page."""
        if not self._base_domain:
            return f"{self._public_url}/b/{slug}"
        scheme, netloc, *_ = urlsplit(self._public_url)
        port = netloc.rpartition(":")[2] if re.search(r":\d+$", netloc) else ""
        return f"{scheme}://{slug}.{self._base_domain}{':' + port if port else ''}/"
