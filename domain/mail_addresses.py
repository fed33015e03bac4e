"""E-mail addresses beyond plain ASCII, and which mail vendors accept them."""

import re
from typing import Final

from domain.effects import CONSOLE, Vendor

_CARRIERS: Final = re.compile(r"[a-z0-9._-]{1,64}@(?:docomo|ezweb)\.ne\.jp", re.IGNORECASE)
"""Two Japanese carriers issued addresses with consecutive dots, or a dot before the @; some are still in use."""
_DOT_ATOM: Final = re.compile(r"[^.]+(?:\.[^.]+)*")
_WITH_UTF8: Final = "the mail server that writes to you does not take letters like these before the @ (SMTPUTF8)"
_WITH_DOTS: Final = "the vendor that writes to you does not take dots in a row, or one beside the @"


def is_carriers(address: str) -> bool:
    """Whether it belongs to a carrier that issued addresses which RFC 5322 allows only in quotation marks."""
    return _CARRIERS.fullmatch(address) is not None and not address.startswith(".")


def needs_utf8(address: str) -> bool:
    """Whether it requires SMTPUTF8 (RFC 6531): the domain has an ASCII form, the local part has none."""
    return not _local_part(address).isascii()


def needs_quotes(address: str) -> bool:
    """Whether its local part must be quoted (RFC 5321, section 4.1.2)."""
    return is_carriers(address) and _DOT_ATOM.fullmatch(_local_part(address)) is None


def quoted(address: str) -> str:
    """The address as written in SMTP."""
    local, _, domain = address.rpartition("@")
    return f'"{local}"@{domain}' if needs_quotes(address) else address


def why_not_carried(address: str, sender: str, *, has_utf8: bool) -> str | None:
    """Why this sender cannot deliver to the address; None: it can. The console accepts everything.

    `has_utf8` says whether a mail server supports SMTPUTF8. HTTP vendors document nothing about such addresses, so
    they count as not supporting them.
    """
    if sender == CONSOLE:
        return None
    if needs_utf8(address) and not (sender == Vendor.SMTP and has_utf8):
        return _WITH_UTF8
    if needs_quotes(address) and sender != Vendor.SMTP:
        return _WITH_DOTS
    return None


def _local_part(address: str) -> str:
    return address.rpartition("@")[0]
