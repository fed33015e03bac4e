"""The vendors that call us."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from api.hooks.hook import Hook
from api.hooks.payjp import PayjpHook
from api.hooks.sendgrid import SendGridHook
from api.hooks.stripe import StripeHook
from api.hooks.twilio import TwilioHook
from domain.effects import Vendor

HOOKS: Final[Mapping[str, Hook]] = MappingProxyType(
    {
        Vendor.SENDGRID: SendGridHook(),
        Vendor.TWILIO: TwilioHook(),
        Vendor.STRIPE: StripeHook(),
        Vendor.PAYJP: PayjpHook(),
    }
)
"""By the vendor's name in the URL."""
