"""The composition root: which adapter implements which port.

It imports every vendor's library, which takes as long as all other imports of a worker. So `worker.main` imports
it when bookings are being worked on already.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from activities.accounts import AccountMessages
from activities.adapters.account_mail import FolderAccountMailer, LogAccountMailer, SmtpAccountMailer
from activities.adapters.ga4 import Ga4
from activities.adapters.google_ads import GoogleAds
from activities.adapters.http_calendar import HttpCalendarSource
from activities.adapters.klaviyo import Klaviyo
from activities.adapters.meta import Meta
from activities.adapters.payjp import PayjpGateway
from activities.adapters.sendgrid import SendGrid
from activities.adapters.servicetitan import ServiceTitan
from activities.adapters.smtp import SmtpMailer
from activities.adapters.stripe import StripeGateway
from activities.adapters.twilio import Twilio
from activities.adapters.webhook import HttpWebhookSender
from activities.analytics import ConversionReports
from activities.comparisons import Comparison, JobComparison, PaymentComparison
from activities.effects import EffectRunner
from activities.external_calendars import ExternalCalendars
from activities.jobs import JobActivities
from activities.messages import MessageActivities
from activities.payments import PaymentActivities
from activities.ports import AccountMailer, Analytics, Gateway, JobManagement, Mailer, SmsSender
from activities.reconciliation import Reconciliation
from activities.webhooks import WebhookActivities
from domain.effects import Vendor
from runtime.secrets import Secrets
from runtime.settings import Settings
from workflows.launch import signal_payment_authorized

Activity = Callable[..., Any]


class Vendors:
    """The adapters of all vendors, once for the process: they keep connections and tokens.

    With `settings.vendors_url` they call the simulator instead of the vendors.
    """

    def __init__(self, engine: AsyncEngine, settings: Settings) -> None:
        self._simulator = settings.vendors_url
        at, loopback = self._simulator_address, settings.outbound_allow_loopback
        lease = timedelta(seconds=settings.effect_lease_seconds)
        self.runner: Final = EffectRunner(engine, Secrets(settings.secrets_key), lease=lease)
        self.webhooks: Final = HttpWebhookSender(allow_loopback=loopback)
        self.jobs: Final[JobManagement] = ServiceTitan(*at(Vendor.SERVICETITAN) * 2)
        self.gateways: Final[dict[Vendor, Gateway]] = {
            Vendor.STRIPE: StripeGateway(*at(Vendor.STRIPE)),
            Vendor.PAYJP: PayjpGateway(*at(Vendor.PAYJP)),
        }
        self.analytics: Final[dict[Vendor, Analytics]] = {
            Vendor.GA4: Ga4(*at(Vendor.GA4)),
            Vendor.META: Meta(*at(Vendor.META)),
            Vendor.GOOGLE_ADS: GoogleAds(*at(Vendor.GOOGLE_ADS) * 2),
        }
        self.mailers: Final[dict[Vendor, Mailer]] = {
            Vendor.SMTP: SmtpMailer(settings.smtp_url, settings.mail_from, allow_loopback=loopback),
            Vendor.SENDGRID: SendGrid(*at(Vendor.SENDGRID)),
            Vendor.KLAVIYO: Klaviyo(*at(Vendor.KLAVIYO)),
        }
        self.sms_senders: Final[dict[Vendor, SmsSender]] = {
            Vendor.TWILIO: Twilio(settings.public_url, *at(Vendor.TWILIO)),
        }

    def _simulator_address(self, vendor: Vendor) -> tuple[str, ...]:
        """The simulator's address for this vendor; nothing: the adapter calls the vendor itself."""
        return (f"{self._simulator}/{vendor}",) if self._simulator else ()


def sync_activities(engine: AsyncEngine, settings: Settings, vendors: Vendors) -> list[Activity]:
    """Activities that call other systems: outside calendars, vendors to compare with, and mail about accounts."""
    source = HttpCalendarSource(allow_loopback=settings.outbound_allow_loopback)
    calendars = ExternalCalendars(engine, source, Secrets(settings.secrets_key))
    account_messages = AccountMessages(engine, _account_mail(settings), settings.public_url)
    return [
        calendars.refresh_external_calendar,
        account_messages.send_account_message,
        _reconciliation(engine, vendors).reconcile_integration,
    ]


def effect_activities(engine: AsyncEngine, settings: Settings, vendors: Vendors) -> dict[Vendor, list[Activity]]:
    """The activities that carry out the effects of each vendor."""
    return {
        Vendor.WEBHOOK: [WebhookActivities(engine, vendors.runner, vendors.webhooks).deliver_webhook],
        Vendor.SERVICETITAN: _jobs(engine, vendors),
        **_analytics(engine, vendors),
        **_messages(engine, settings, vendors),
        **_payments(engine, settings, vendors),
    }


def _reconciliation(engine: AsyncEngine, vendors: Vendors) -> Reconciliation:
    comparisons: dict[Vendor, Comparison] = {
        Vendor.SERVICETITAN: JobComparison(vendors.jobs),
        **{vendor: PaymentComparison(vendor, gateway) for vendor, gateway in vendors.gateways.items()},
    }
    return Reconciliation(engine, vendors.runner, comparisons)


def _jobs(engine: AsyncEngine, vendors: Vendors) -> list[Activity]:
    jobs = JobActivities(engine, vendors.runner, vendors.jobs)
    return [jobs.create_job, jobs.update_job, jobs.cancel_job]


def _payments(engine: AsyncEngine, settings: Settings, vendors: Vendors) -> dict[Vendor, list[Activity]]:
    secrets = Secrets(settings.secrets_key)
    payments = PaymentActivities(engine, vendors.runner, secrets, vendors.gateways, signal_payment_authorized)
    every: list[Activity] = [
        payments.authorize_payment,
        payments.capture_payment,
        payments.settle_payment,
        payments.sync_payment,
    ]
    return {vendor: every for vendor in vendors.gateways}


def _analytics(engine: AsyncEngine, vendors: Vendors) -> dict[Vendor, list[Activity]]:
    reports = ConversionReports(engine, vendors.runner, vendors.analytics)
    return {vendor: [reports.report_conversion] for vendor in vendors.analytics}


def _messages(engine: AsyncEngine, settings: Settings, vendors: Vendors) -> dict[Vendor, list[Activity]]:
    mailers, sms_senders = vendors.mailers, vendors.sms_senders
    messages = MessageActivities(
        engine,
        vendors.runner,
        mailers=mailers,
        sms_senders=sms_senders,
        mail_from=settings.mail_from,
        daily_quota=settings.mails_per_business_and_day,
    )
    by_email: dict[Vendor, list[Activity]] = {vendor: [messages.send_email] for vendor in mailers}
    return by_email | {vendor: [messages.send_sms] for vendor in sms_senders}


def _account_mail(settings: Settings) -> AccountMailer:
    if settings.smtp_url:
        return SmtpAccountMailer(settings.smtp_url, settings.mail_from)
    if settings.mail_folder:
        return FolderAccountMailer(Path(settings.mail_folder), settings.public_url)
    return LogAccountMailer()
