"""E-mail addresses beyond plain ASCII, and which ways of sending e-mails carry them."""

import re
from typing import Final

from domain.effects import CONSOLE, Vendor

_CARRIERS: Final = re.compile(r"[a-z0-9._-]{1,64}@(?:docomo|ezweb)\.ne\.jp", re.IGNORECASE)
"""Two Japanese carriers gave out addresses with dots in a row, or one before the @; people still have them."""
_DOT_ATOM: Final = re.compile(r"[^.]+(?:\.[^.]+)*")
_WITH_UTF8: Final = "the mail server that writes to you does not take letters like these before the @ (SMTPUTF8)"
_WITH_DOTS: Final = "the vendor that writes to you does not take dots in a row, or one beside the @"


def is_carriers(address: str) -> bool:
    """Whether it is an address of a carrier that gave out others than RFC 5322 has without quotation marks."""
    return _CARRIERS.fullmatch(address) is not None and not address.startswith(".")


def needs_utf8(address: str) -> bool:
    """Whether only a server with SMTPUTF8 takes it (RFC 6531): a domain has an ASCII form, the rest has none."""
    return not _local_part(address).isascii()


def needs_quotes(address: str) -> bool:
    """Whether its local part is none without quotation marks (RFC 5321, section 4.1.2)."""
    return is_carriers(address) and _DOT_ATOM.fullmatch(_local_part(address)) is None


def quoted(address: str) -> str:
    """The address as it is written in SMTP."""
    local, _, domain = address.rpartition("@")
    return f'"{local}"@{domain}' if needs_quotes(address) else address


def why_not_carried(address: str, sender: str, *, has_utf8: bool) -> str | None:
    """What is wrong with an address for whoever sends e-mails: a vendor, or the console, which takes everything.

    `has_utf8` says it of a mail server. Of vendors over HTTP nothing of the kind is known: they carry neither.
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
