"""The demo business's accounts at the simulated vendors, and the callbacks from the vendors.

The simulated vendors store nothing on disk, so this is repeated at each start.
"""

from dataclasses import dataclass
from typing import Any, Final

import httpx

from dev.demo_business import BUSINESS, CANCELLATION, PAID, login_email
from dev.demo_client import ApiError, DemoClient, demo_http
from dev.errors import DevError

Json = dict[str, Any]

_REGION: Final = "eu-west-1"
"""Equals `dev.vendors.s3.REGION`, whose module is slow to import."""
_ROOT: Final = f"/v1/businesses/{BUSINESS}"
_SENDGRID_KEY: Final = "SG.demo"
_STRIPE_KEY: Final = "sk_test_demo"
_STRIPE_SECRET: Final = "whsec_demo"  # noqa: S105  # nosec B105
_RECEIVER: Final = "demo"


@dataclass(frozen=True, slots=True)
class SimulatorUrls:
    """Addresses of the simulator."""

    vendors_url: str
    s3_url: str


def accounts(urls: SimulatorUrls) -> dict[str, Json]:
    """An account at each vendor: the simulators accept all credentials with the right format."""
    return {
        "sendgrid": _account(
            {"sender": "desk@demo.example", "sender_name": "Demo Garage"}, f"api_key={_SENDGRID_KEY}"
        ),
        "twilio": _account({"account_sid": f"AC{'d' * 32}", "from_number": "+12125550199"}, "auth_token=demo"),
        "servicetitan": _account(
            _SERVICETITAN, "client_id=cid.demo", "client_secret=cs1.demo", "app_key=ak1.demo"
        ),
        "stripe": _account({}, f"api_key={_STRIPE_KEY}", f"webhook_secret={_STRIPE_SECRET}"),
        "ga4": _account({"measurement_id": "G-DEMO"}, "api_secret=demo"),
        "meta": _account({"pixel_id": "100200300"}, "access_token=EAAdemo"),
        "google_ads": _account(
            {"customer_id": "1002003000", "conversion_action": "400500"},
            "client_id=demo.apps.googleusercontent.com",
            "client_secret=GOCSPX-demo",
            "refresh_token=1//demo",
        ),
        "s3": _account(
            {"bucket": BUSINESS, "region": _REGION, "endpoint": urls.s3_url},
            "access_key_id=demo",
            "secret_access_key=demo",
        ),
    }


_SERVICETITAN: Final[Json] = {
    "tenant": "1002003",
    "business_unit_id": 11,
    "job_type_id": 12,
    "campaign_id": 13,
    "cancel_reason_id": 14,
    "application_guid": "9f1b3c5e-0000-4000-8000-000000000000",
    "premises": {
        "street": "1 Main Street",
        "city": "New York",
        "region": "NY",
        "postal_code": "10001",
        "country": "US",
    },
}


def _account(settings: Json, *secrets: str) -> Json:
    return {"settings": settings, "secrets": dict(secret.split("=", 1) for secret in secrets)}


async def connect(api_url: str, urls: SimulatorUrls) -> bool:
    """Connect the demo business with the vendors, in both directions; False if there is no demo business.

    Raises:
        DevError: the API or a vendor refuses a request.
    """
    async with demo_http(api_url) as http, demo_http(urls.vendors_url) as vendors:
        try:
            owner = await DemoClient.log_in(http, login_email("owner"))
            await owner.call("GET", _ROOT)
        except ApiError:  # the user has other businesses
            return False
        callbacks = {}
        for vendor, account in accounts(urls).items():
            shown = await owner.call("PUT", f"{_ROOT}/integrations/{vendor}", account)
            callbacks[vendor] = shown["callback_url"]
        await _connect_sendgrid(owner, vendors, urls, callbacks["sendgrid"])
        endpoint = {"url": callbacks["stripe"], "secret": _STRIPE_SECRET}
        await _configure(vendors, "PUT", f"/stripe/control/endpoint?account={_STRIPE_KEY}", endpoint)
        await _connect_webhooks(owner, vendors, urls)
        await _add_paid_service(owner)
    return True


async def _add_paid_service(owner: DemoClient) -> None:
    """Add the paid service and the cancellation fee, which need a payment gateway."""
    try:
        await owner.call("POST", f"{_ROOT}/services", PAID)
    except ApiError as error:
        if error.code != "already_exists":  # the policy was set at the same time, and may have been changed since
            raise
    else:
        await owner.call("PATCH", _ROOT, {"policy": {"cancellation": CANCELLATION}}, {"If-Match": "*"})


async def _connect_sendgrid(owner: DemoClient, vendors: httpx.AsyncClient, urls: SimulatorUrls, url: str) -> None:
    """Set SendGrid's event webhook, and give the business the key that verifies its signatures."""
    root = "/sendgrid/v3/user/webhooks/event/settings"
    await _configure(vendors, "PATCH", root, {"enabled": True, "url": url}, _SENDGRID_KEY)
    key = (await _configure(vendors, "GET", f"{root}/signed", None, _SENDGRID_KEY)).json()["public_key"]
    account = accounts(urls)["sendgrid"] | {"secrets": {"webhook_public_key": key}}
    await owner.call("PUT", f"{_ROOT}/integrations/sendgrid", account)


async def _connect_webhooks(owner: DemoClient, vendors: httpx.AsyncClient, urls: SimulatorUrls) -> None:
    """Register the simulated webhook receiver as an endpoint of the business."""
    url = f"{urls.vendors_url}/webhook_receiver/hooks/{_RECEIVER}"
    endpoints = f"{_ROOT}/webhook-endpoints"
    known = {one["url"]: one["id"] for one in (await owner.call("GET", endpoints))["items"]}
    if url in known:
        rotation = {"former_valid_hours": 0}
        made = await owner.call("POST", f"{endpoints}/{known[url]}/rotate-secret", rotation)
    else:
        made = await owner.call("POST", endpoints, {"url": url, "description": "Simulated"})
    await _configure(vendors, "PUT", f"/webhook_receiver/secrets/{_RECEIVER}", {"secret": made["secret"]})


async def _configure(
    vendors: httpx.AsyncClient, method: str, path: str, body: Json | None, token: str | None = None
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = await vendors.request(method, path, json=body, headers=headers)
    except httpx.TransportError as error:
        raise DevError(f"the simulated vendors do not answer at {vendors.base_url}") from error
    if answer.is_error:
        raise DevError(f"the simulated vendors refuse {method} {path.partition('?')[0]}: {answer.status_code}")
    return answer
