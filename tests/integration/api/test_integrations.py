"""A business's integrations: validation, access, and that secrets are never returned."""

from typing import Any, Final

import pytest
from sqlalchemy import text

from domain.effects import Vendor
from domain.integrations import CONNECTIONS
from domain.policies import Policy
from runtime.json import from_json
from runtime.secrets import Secrets
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.applications import running
from tests.support.stage import Json, Stage, make_stage, ok, problem

SECRET: Final = "hunter2-of-the-vendor"
SENDGRID: Final[Json] = {"settings": {"sender": "desk@example.com"}, "secrets": {"api_key": SECRET}}
STRIPE: Final[Json] = {"settings": {}, "secrets": {"api_key": SECRET}}
SETTINGS: Final[dict[Vendor, Json]] = {
    Vendor.SMTP: {"host": "mail.example.com", "sender": "desk@example.com", "username": "desk"},
    Vendor.SENDGRID: {"sender": "desk@example.com", "sender_name": "The desk"},
    Vendor.KLAVIYO: {},
    Vendor.TWILIO: {"account_sid": f"AC{'0' * 32}", "from_number": "+12125550100"},
    Vendor.SERVICETITAN: {
        "tenant": "1234567",
        "business_unit_id": 1,
        "job_type_id": 2,
        "campaign_id": 3,
        "cancel_reason_id": 4,
        "application_guid": "9f1b3c5e-0000-4000-8000-000000000000",
    },
    Vendor.STRIPE: {"publishable_key": "pk_test_1"},
    Vendor.PAYJP: {"public_key": "pk_test_1"},
    Vendor.GA4: {"measurement_id": "G-ABC123"},
    Vendor.META: {"pixel_id": "1234567890"},
    Vendor.GOOGLE_ADS: {"customer_id": "1234567890", "conversion_action": "987654"},
    Vendor.S3: {"bucket": "our-bucket", "region": "us-east-1", "endpoint": "https://store.example.com"},
}
"""Of each vendor something that will do."""


def path(stage: Stage, vendor: str = "") -> str:
    return f"/v1/businesses/{stage.tenant.slug}/integrations{f'/{vendor}' if vendor else ''}"


async def put(stage: Stage, vendor: str, body: Json, **headers: str) -> Any:
    return await stage.as_("owner").send("PUT", path(stage, vendor), body, **headers)


async def stored_secrets(stage: Stage, settings: Settings, vendor: str) -> Json:
    query = text("SELECT secrets_encrypted FROM integrations WHERE business_id = :id AND vendor = :vendor")
    async with stage.engine.connect() as conn:
        found = (await conn.execute(query, {"id": stage.tenant.business_id, "vendor": vendor})).scalar_one()
    assert SECRET not in found
    opened: Json = from_json(Secrets(settings.secrets_key).decrypt(found))
    return opened


async def test_every_vendor_takes_its_settings_and_its_secrets_and_shows_the_settings_alone(
    stage: Stage, settings: Settings
) -> None:
    assert SETTINGS.keys() == CONNECTIONS.keys()
    for vendor, given in SETTINGS.items():
        secrets = dict.fromkeys(CONNECTIONS[vendor].secrets, SECRET)
        answer = await put(stage, vendor, {"settings": given, "secrets": secrets})
        shown = ok(answer)
        assert {name: shown["settings"][name] for name in given} == given
        assert (shown["vendor"], shown["has_secrets"], shown["enabled"]) == (vendor, True, True)
        assert SECRET not in answer.text
        assert await stored_secrets(stage, settings, vendor) == secrets
        assert ok(await stage.as_("admin").get(path(stage, vendor))) == shown
        listed = await stage.as_("owner").get(path(stage))
        assert ok(listed)["items"] == [shown]
        assert SECRET not in listed.text
        assert (await stage.as_("owner").send("DELETE", path(stage, vendor))).status_code == 204
        problem(await stage.as_("owner").get(path(stage, vendor)), 404, "not_found")


async def test_a_vendor_that_reports_back_is_given_a_url_of_ours(stage: Stage, settings: Settings) -> None:
    shown = ok(await put(stage, "stripe", STRIPE))
    assert shown["callback_url"] == f"{settings.public_url}/v1/hooks/stripe/{shown['id']}"
    again = ok(await put(stage, "stripe", {"secrets": {"webhook_secret": "whsec_1"}}))
    assert again["id"] == shown["id"]
    assert await stored_secrets(stage, settings, "stripe") == {"api_key": SECRET, "webhook_secret": "whsec_1"}
    assert ok(await put(stage, "klaviyo", {"secrets": {"api_key": SECRET}}))["callback_url"] is None


async def test_a_secret_that_is_left_out_stays_and_null_removes_it(stage: Stage, settings: Settings) -> None:
    both = {"api_key": SECRET, "webhook_public_key": "pk"}
    ok(await put(stage, "sendgrid", SENDGRID | {"secrets": both}))
    ok(await put(stage, "sendgrid", {"settings": {"sender": "other@example.com"}}))
    assert await stored_secrets(stage, settings, "sendgrid") == both
    ok(await put(stage, "sendgrid", SENDGRID | {"secrets": {"webhook_public_key": None}}))
    assert await stored_secrets(stage, settings, "sendgrid") == {"api_key": SECRET}
    refused = problem(
        await put(stage, "sendgrid", SENDGRID | {"secrets": {"api_key": None}}), 422, "invalid_request"
    )
    assert refused["errors"][0]["pointer"] == "/body/secrets/api_key"
    assert await stored_secrets(stage, settings, "sendgrid") == {"api_key": SECRET}


async def test_another_host_is_not_sent_the_secrets_of_the_one_before(stage: Stage, settings: Settings) -> None:
    keys = {"access_key_id": "AKIA1", "secret_access_key": SECRET}
    ours = SETTINGS[Vendor.S3]
    ok(await put(stage, "s3", {"settings": ours, "secrets": keys}))
    ok(await put(stage, "s3", {"settings": ours | {"prefix": "a/"}}))
    moved = {"settings": ours | {"endpoint": "https://elsewhere.example.com"}}
    problem(await put(stage, "s3", moved), 422, "invalid_request")
    assert await stored_secrets(stage, settings, "s3") == keys
    mail = {"settings": SETTINGS[Vendor.SMTP], "secrets": {"password": SECRET}}
    assert ok(await put(stage, "smtp", mail))["has_secrets"]
    moved = {"settings": SETTINGS[Vendor.SMTP] | {"host": "elsewhere.example.com"}}
    assert not ok(await put(stage, "smtp", moved))["has_secrets"]


async def test_one_vendor_does_what_is_asked_of_a_port_and_reports_go_to_any_number(stage: Stage) -> None:
    ok(await put(stage, "sendgrid", SENDGRID))
    taken = problem(await put(stage, "klaviyo", {"secrets": {"api_key": SECRET}}), 409, "port_taken")
    assert taken["vendor"] == "sendgrid"
    for vendor, name in (("ga4", "api_secret"), ("meta", "access_token")):
        ok(await put(stage, vendor, {"settings": SETTINGS[Vendor(vendor)], "secrets": {name: SECRET}}))
    assert (await stage.as_("owner").send("DELETE", path(stage, "sendgrid"))).status_code == 204
    ok(await put(stage, "klaviyo", {"secrets": {"api_key": SECRET}}))


async def test_a_vendor_that_is_disabled_makes_room_for_another(stage: Stage) -> None:
    ok(await put(stage, "sendgrid", SENDGRID))
    off = SENDGRID | {"enabled": False}
    assert not ok(await put(stage, "sendgrid", off))["enabled"]
    ok(await put(stage, "klaviyo", {"secrets": {"api_key": SECRET}}))
    ok(await put(stage, "sendgrid", off))
    taken = problem(await put(stage, "sendgrid", SENDGRID), 409, "port_taken")
    assert taken["vendor"] == "klaviyo"


async def test_the_tag_changes_with_a_secret_and_a_change_of_what_was_not_read_is_refused(stage: Stage) -> None:
    first = await put(stage, "stripe", STRIPE)
    second = await put(stage, "stripe", {"secrets": {"api_key": "another"}}, **{"If-Match": first.headers["ETag"]})
    assert ok(second)["settings"] == ok(first)["settings"]
    assert second.headers["ETag"] != first.headers["ETag"]
    problem(await put(stage, "stripe", STRIPE, **{"If-Match": first.headers["ETag"]}), 412, "stale")
    got = await stage.as_("owner").get(path(stage, "stripe"))
    assert got.headers["ETag"] == second.headers["ETag"]


async def test_only_people_of_the_desk_have_to_do_with_it(stage: Stage, api: ApiClient) -> None:
    ok(await put(stage, "stripe", STRIPE))
    other = await make_stage(api, stage.engine, Policy())
    for caller, status, code in (
        (api, 401, "unauthenticated"),
        (stage.as_("customer"), 404, "not_found"),
        (other.as_("owner"), 404, "not_found"),
        (stage.as_("ana"), 403, "forbidden"),
    ):
        problem(await caller.get(path(stage)), status, code)
        problem(await caller.send("PUT", path(stage, "stripe"), STRIPE), status, code)
        problem(await caller.send("DELETE", path(stage, "stripe")), status, code)


async def test_a_secret_is_neither_logged_nor_audited(stage: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    ok(await put(stage, "stripe", STRIPE))
    problem(await put(stage, "stripe", {"secrets": {"api_key": f"{SECRET}\n{SECRET}"}}), 422, "invalid_request")
    problem(await put(stage, "stripe", {"secrets": {"other": SECRET}}), 422, "invalid_request")
    log = await stage.as_("owner").get(f"/v1/businesses/{stage.tenant.slug}/audit-log", action="putIntegration")
    assert [line["object_id"] for line in ok(log)["items"]] == ["stripe"]
    assert SECRET not in log.text
    out, err = capfd.readouterr()
    assert SECRET not in out + err


async def test_without_a_key_to_encrypt_with_nothing_is_stored_and_it_says_what_to_do(
    stage: Stage, settings: Settings
) -> None:
    async with running(settings.model_copy(update={"secrets_key": None})) as api:
        owner = api.as_(stage.tenant.principals["owner"])
        refusal = problem(await owner.send("PUT", path(stage, "stripe"), STRIPE), 422, "invalid_request")
        assert "HOLDFAST_SECRETS_KEY" in refusal["detail"]
        assert SECRET not in str(refusal)
        problem(await owner.get(path(stage, "stripe")), 404, "not_found")


@pytest.mark.parametrize(
    ("vendor", "body", "pointer"),
    [
        ("sendgrid", {}, "/body/settings/sender"),
        ("sendgrid", {"settings": {"sender": "desk@example.com"}}, "/body/secrets/api_key"),
        ("sendgrid", SENDGRID | {"settings": {"sender": SECRET}}, "/body/settings/sender"),
        ("sendgrid", SENDGRID | {"settings": {"sender": "a@example.com", "x": SECRET}}, "/body/settings/x"),
        ("sendgrid", SENDGRID | {"secrets": {"api_key": ""}}, "/body/secrets/api_key"),
        ("sendgrid", SENDGRID | {"secrets": {"api_key": "a" * 4001}}, "/body/secrets/api_key"),
        ("sendgrid", SENDGRID | {"secrets": {"api_key": 1}}, "/body/secrets/api_key"),
        ("sendgrid", SENDGRID | {"port": "sms"}, "/body/port"),
        ("twilio", {"settings": {"account_sid": f"AC{'0' * 32}"}}, "/body/settings"),
        ("twilio", {"settings": {"account_sid": "AC1", "from_number": "+1"}}, "/body/settings/account_sid"),
        ("s3", {"settings": SETTINGS[Vendor.S3] | {"endpoint": "https://10.0.0.1"}}, "/body/settings/endpoint"),
        ("s3", {"settings": SETTINGS[Vendor.S3] | {"endpoint": "https://\x00"}}, "/body/settings/endpoint"),
        ("smtp", {"settings": SETTINGS[Vendor.SMTP] | {"host": "169.254.169.254"}}, "/body/settings/host"),
        ("smtp", {"settings": SETTINGS[Vendor.SMTP] | {"port": 0}}, "/body/settings/port"),
        ("servicetitan", {"settings": SETTINGS[Vendor.SERVICETITAN] | {"tenant": 1}}, "/body/settings/tenant"),
    ],
)
async def test_what_cannot_be_is_refused_where_it_is_wrong(
    stage: Stage, vendor: str, body: Json, pointer: str
) -> None:
    refusal = problem(await put(stage, vendor, body), 422, "invalid_request")
    assert refusal["errors"][0]["pointer"] == pointer
    assert SECRET not in str(refusal)
    assert await stage.count("integrations") == 0


async def test_what_is_no_vendor_with_accounts_is_not_found(stage: Stage) -> None:
    problem(await put(stage, "webhook", {}), 404, "not_found")
    problem(await put(stage, "pigeon", {}), 422, "invalid_request")
