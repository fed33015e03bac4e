"""The composition root: which adapter stands behind which port."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from activities.accounts import AccountMessages
from activities.adapters.console_mail import ConsoleMail
from activities.adapters.ga4 import Ga4
from activities.adapters.google_ads import GoogleAds
from activities.adapters.http_slots import HttpSlots
from activities.adapters.klaviyo import Klaviyo
from activities.adapters.mail_folder import MailFolder
from activities.adapters.meta import Meta
from activities.adapters.payjp import PayjpGateway
from activities.adapters.sendgrid import SendGrid
from activities.adapters.servicetitan import ServiceTitan
from activities.adapters.smtp import SmtpMailer
from activities.adapters.smtp_mail import SmtpMail
from activities.adapters.stripe import StripeGateway
from activities.adapters.twilio import Twilio
from activities.adapters.webhook import HttpWebhooks
from activities.analytics import ConversionReports
from activities.booking import BookingActivities
from activities.comparisons import Comparison, JobComparison, PaymentComparison
from activities.effects import EffectRunner
from activities.external_calendars import DueSources, ExternalCalendars
from activities.jobs import JobActivities
from activities.messages.sending import MessageActivities
from activities.payments import PaymentActivities
from activities.ports.account_mail import AccountMail
from activities.ports.analytics import Analytics
from activities.ports.jobs import JobManagement
from activities.ports.mail import Mailer
from activities.ports.payments import Gateway
from activities.ports.texts import Texter
from activities.reconciliation import ReconciledIntegrations, Reconciliation
from activities.webhooks import WebhookActivities
from domain.effects import CONSOLE, Vendor
from runtime.secrets import Secrets
from runtime.settings import Settings
from workflows.launch import tell_of_payment

Activity = Callable[..., Any]


def booking_activities(engine: AsyncEngine, settings: Settings) -> list[Activity]:
    """Short transactions of our own: local activities, run by the worker that runs the workflow."""
    booking = BookingActivities(engine, mails_by=Vendor.SMTP if settings.smtp_url else CONSOLE)
    due = DueSources(engine)
    listing: list[Activity] = [due.list_due_sources, ReconciledIntegrations(engine).list_to_reconcile]
    return [booking.load_booking, booking.record_step, booking.send_reminder, *listing]


def sync_activities(engine: AsyncEngine, settings: Settings) -> list[Activity]:
    """Calls to systems outside: those that businesses name, and whatever sends mail."""
    source = HttpSlots(allow_loopback=settings.outbound_allow_loopback)
    calendars = ExternalCalendars(engine, source, Secrets(settings.secrets_key))
    letters = AccountMessages(engine, _account_mail(settings), settings.public_url)
    return [
        calendars.refresh_external_calendar,
        letters.send_account_message,
        _reconciliation(engine, settings).reconcile_integration,
    ]


def effect_activities(engine: AsyncEngine, settings: Settings) -> dict[Vendor, list[Activity]]:
    """What carries out the effects of each vendor."""
    runner = EffectRunner(engine, Secrets(settings.secrets_key))
    return {
        Vendor.WEBHOOK: _webhooks(engine, runner, settings),
        Vendor.SERVICETITAN: _jobs(engine, runner, _servicetitan(settings)),
        **_analytics(engine, runner, settings.vendors_url),
        **_messages(engine, runner, settings),
        **_payments(engine, runner, settings),
    }


def _reconciliation(engine: AsyncEngine, settings: Settings) -> Reconciliation:
    runner = EffectRunner(engine, Secrets(settings.secrets_key))
    gateways = _gateways(settings.vendors_url)
    comparisons: dict[Vendor, Comparison] = {
        Vendor.SERVICETITAN: JobComparison(_servicetitan(settings)),
        **{vendor: PaymentComparison(vendor, gateway) for vendor, gateway in gateways.items()},
    }
    return Reconciliation(engine, runner, comparisons)


def _jobs(engine: AsyncEngine, runner: EffectRunner, management: JobManagement) -> list[Activity]:
    jobs = JobActivities(engine, runner, management)
    return [jobs.create_job, jobs.update_job, jobs.cancel_job]


def _webhooks(engine: AsyncEngine, runner: EffectRunner, settings: Settings) -> list[Activity]:
    sender = HttpWebhooks(allow_loopback=settings.outbound_allow_loopback)
    return [WebhookActivities(engine, runner, sender).deliver_webhook]


def _servicetitan(settings: Settings) -> ServiceTitan:
    if settings.vendors_url:
        simulated = f"{settings.vendors_url}/{Vendor.SERVICETITAN}"
        return ServiceTitan(simulated, simulated)
    return ServiceTitan()


def _payments(engine: AsyncEngine, runner: EffectRunner, settings: Settings) -> dict[Vendor, list[Activity]]:
    gateways = _gateways(settings.vendors_url)
    paying = PaymentActivities(engine, runner, Secrets(settings.secrets_key), gateways, tell_of_payment)
    every: list[Activity] = [
        paying.authorize_payment,
        paying.capture_payment,
        paying.settle_payment,
        paying.sync_payment,
    ]
    return {vendor: every for vendor in gateways}


def _gateways(simulator: str) -> dict[Vendor, Gateway]:
    return {
        Vendor.STRIPE: StripeGateway(f"{simulator}/{Vendor.STRIPE}") if simulator else StripeGateway(),
        Vendor.PAYJP: PayjpGateway(f"{simulator}/{Vendor.PAYJP}") if simulator else PayjpGateway(),
    }


def _analytics(engine: AsyncEngine, runner: EffectRunner, simulator: str) -> dict[Vendor, list[Activity]]:
    ads = f"{simulator}/{Vendor.GOOGLE_ADS}"
    vendors: dict[Vendor, Analytics] = {
        Vendor.GA4: Ga4(f"{simulator}/{Vendor.GA4}") if simulator else Ga4(),
        Vendor.META: Meta(f"{simulator}/{Vendor.META}") if simulator else Meta(),
        Vendor.GOOGLE_ADS: GoogleAds(ads, ads) if simulator else GoogleAds(),
    }
    reports = ConversionReports(engine, runner, vendors)
    return {vendor: [reports.report_conversion] for vendor in vendors}


def _messages(engine: AsyncEngine, runner: EffectRunner, settings: Settings) -> dict[Vendor, list[Activity]]:
    mailers, texters = _mailers(settings), _texters(settings)
    sending = MessageActivities(engine, runner, mailers=mailers, texters=texters, mail_from=settings.mail_from)
    by_email: dict[Vendor, list[Activity]] = {vendor: [sending.send_email] for vendor in mailers}
    return by_email | {vendor: [sending.send_sms] for vendor in texters}


def _mailers(settings: Settings) -> dict[Vendor, Mailer]:
    simulator, allow_loopback = settings.vendors_url, settings.outbound_allow_loopback
    return {
        Vendor.SMTP: SmtpMailer(settings.smtp_url, settings.mail_from, allow_loopback=allow_loopback),
        Vendor.SENDGRID: SendGrid(f"{simulator}/{Vendor.SENDGRID}") if simulator else SendGrid(),
        Vendor.KLAVIYO: Klaviyo(f"{simulator}/{Vendor.KLAVIYO}") if simulator else Klaviyo(),
    }


def _texters(settings: Settings) -> dict[Vendor, Texter]:
    simulator, public_url = settings.vendors_url, settings.public_url
    return {Vendor.TWILIO: Twilio(public_url, f"{simulator}/{Vendor.TWILIO}") if simulator else Twilio(public_url)}


def _account_mail(settings: Settings) -> AccountMail:
    if settings.smtp_url:
        return SmtpMail(settings.smtp_url, settings.mail_from)
    if settings.mail_folder:
        return MailFolder(Path(settings.mail_folder), settings.public_url)
    return ConsoleMail()
