"""Malformed vendor calls and requests are refused, never with a 5xx."""

import base64
import gzip
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy.ext.asyncio import AsyncEngine
from twilio.request_validator import RequestValidator

from domain.effects import Vendor
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.businesses.vendor_hooks import BusinessWithHooks, make_business_with_hooks
from tests.support.raw_http import send_raw
from tests.support.stage import problem

Headers = dict[str, bytes]
SECRET = "secret"
KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC_KEY = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
SECRETS = {
    Vendor.STRIPE: {"webhook_secret": SECRET},
    Vendor.PAYJP: {"webhook_token": SECRET},
    Vendor.SENDGRID: {"webhook_public_key": base64.b64encode(PUBLIC_KEY).decode()},
    Vendor.TWILIO: {"auth_token": SECRET},
}
NUL, LONG, DEEP = "a\0b", "x" * 300, b"[" * 100_000


@pytest.fixture
async def business(engine: AsyncEngine, settings: Settings, api_url: str) -> BusinessWithHooks:
    return await make_business_with_hooks(engine, settings, api_url)


def by_stripe(body: bytes) -> Headers:
    at = int(time.time())
    signed = hmac.new(SECRET.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={at},v1={signed}".encode()}


def by_payjp(_: bytes) -> Headers:
    return {"X-Payjp-Webhook-Token": SECRET.encode()}


def by_sendgrid(body: bytes) -> Headers:
    at = str(int(time.time())).encode()
    mark = "X-Twilio-Email-Event-Webhook-"
    return {f"{mark}Signature": base64.b64encode(KEY.sign(at + body, ec.ECDSA(SHA256()))), f"{mark}Timestamp": at}


async def call(
    business: BusinessWithHooks, vendor: Vendor, id_: UUID, body: bytes, headers: Headers
) -> httpx.Response:
    async with httpx.AsyncClient(base_url=business.url) as http:
        sent = [
            (name.encode(), value) for name, value in ({"Content-Type": b"application/json"} | headers).items()
        ]
        return await http.post(f"/v1/hooks/{vendor}/{id_}", content=body, headers=sent)


def stripe(**changed: Any) -> Any:
    about = {"id": "pi_1", "metadata": {}} | changed.pop("about", {})
    return {"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": about}} | changed


def payjp(**changed: Any) -> Any:
    about = {"id": "pf_1", "metadata": {}} | changed.pop("about", {})
    return {"id": "evt_1", "type": "payment_flow.succeeded", "data": about} | changed


def sendgrid(**changed: Any) -> Any:
    happened = {"event": "delivered", "effect": "message/1", "timestamp": 1, "sg_event_id": "e"}
    return [happened | {"sg_message_id": "m"} | changed]


GATEWAYS = ((Vendor.STRIPE, by_stripe, stripe), (Vendor.PAYJP, by_payjp, payjp))
NONSENSE: tuple[Any, ...] = (7, "text", [], {}, [[]], None)


@pytest.mark.parametrize(("vendor", "sign", "make"), GATEWAYS, ids=["stripe", "payjp"])
async def test_a_signed_call_of_a_gateway_must_be_one(
    business: BusinessWithHooks, vendor: Vendor, sign: Callable[[bytes], Headers], make: Callable[..., Any]
) -> None:
    id_ = await business.connect(vendor, SECRETS[vendor])
    ill = [*NONSENSE, make(id=NUL), make(id=LONG), make(id=["e"]), make(id={}), make(type=NUL), make(type=["t"])]
    ill += [make(data=[]), make(data=NUL), make(about={"id": NUL}), make(about={"id": ["x"]})]
    ill += [make(about={"metadata": ["x"]}), make(about={"metadata": "x"})]
    bodies = [json.dumps(body).encode() for body in ill]
    bodies += [
        DEEP,
        b'{"a":' * 900 + b"1" + b"}" * 900,
        json.dumps(make()).encode()[:-1] + b', "id": "2"}',
    ]
    for body in bodies:
        answer = await call(business, vendor, id_, body, sign(body))
        assert answer.status_code == 422, (body[:200], answer.text)
        problem(answer, 422, "invalid_request")
    assert (await call(business, vendor, id_, b"\xff", sign(b"\xff"))).status_code in (401, 422)
    assert await business.events() == []
    odd = json.dumps(make(about={"metadata": {"holdfast_booking": ["x"], "other": NUL}})).encode()
    assert (await call(business, vendor, id_, odd, sign(odd))).status_code == 204


async def test_a_signed_call_of_sendgrid_must_be_one(business: BusinessWithHooks) -> None:
    id_ = await business.connect(Vendor.SENDGRID, SECRETS[Vendor.SENDGRID])
    ill = [7, "text", {}, [[]], [7], None, sendgrid(effect=NUL), sendgrid(effect=LONG), sendgrid(timestamp="soon")]
    ill += [sendgrid(sg_event_id=[]), sendgrid(sg_event_id=NUL), sendgrid(sg_message_id=["m"])]
    ill += [sendgrid(sg_message_id=NUL), sendgrid(timestamp=[1])]
    for body in [*(json.dumps(body).encode() for body in ill), DEEP, b"\xff"]:
        answer = await call(business, Vendor.SENDGRID, id_, body, by_sendgrid(body))
        assert answer.status_code == 422, (body[:200], answer.text)
    assert await business.events() == []
    others: list[Any] = [sendgrid(event=["x"]), sendgrid(effect=["x"]), []]
    for other in others:
        body = json.dumps(other).encode()
        assert (await call(business, Vendor.SENDGRID, id_, body, by_sendgrid(body))).status_code == 204


@pytest.mark.parametrize(
    "changed",
    [
        {"MessageSid": NUL},
        {"MessageSid": LONG},
        {"ErrorCode": NUL},
        {"effect": NUL},
        {"MessageStatus": None, "Body": "STOP", "From": NUL},
        {"MessageStatus": None, "Body": "STOP", "From": LONG},
    ],
    ids="-".join,
)
async def test_a_signed_call_of_twilio_must_be_one(
    business: BusinessWithHooks, changed: dict[str, str | None]
) -> None:
    id_ = await business.connect(Vendor.TWILIO, SECRETS[Vendor.TWILIO])
    form = {"MessageSid": "SM1", "MessageStatus": "failed", "From": "+12125550100"} | changed
    effect = form.pop("effect", None)
    path = f"/v1/hooks/twilio/{id_}" + ("" if effect is None else "?effect=a%00b")
    sent = {name: value for name, value in form.items() if value is not None}
    signed = RequestValidator(SECRET).compute_signature(f"{business.settings.public_url}{path}", sent)
    async with httpx.AsyncClient(base_url=business.url) as http:
        answer = await http.post(path, data=sent, headers={"X-Twilio-Signature": signed})
    problem(answer, 422, "invalid_request")
    assert await business.events() == []


FOREIGN = "sïgnature €".encode()
MARK = "X-Twilio-Email-Event-Webhook-"


@pytest.mark.parametrize(
    ("vendor", "headers"),
    [
        (Vendor.STRIPE, {"Stripe-Signature": b"t=%d,v1=" % int(time.time()) + FOREIGN}),
        (Vendor.STRIPE, {"Stripe-Signature": b"t=\xc2\xb2,v1=x"}),
        (Vendor.STRIPE, {"Stripe-Signature": b"v1"}),
        (Vendor.PAYJP, {"X-Payjp-Webhook-Token": FOREIGN}),
        (Vendor.TWILIO, {"X-Twilio-Signature": FOREIGN}),
        (Vendor.SENDGRID, {f"{MARK}Signature": FOREIGN, f"{MARK}Timestamp": b"1"}),
        (Vendor.SENDGRID, by_sendgrid(b"[]") | {f"{MARK}Timestamp": FOREIGN}),
    ],
)
async def test_a_signature_that_cannot_be_one_is_none(
    business: BusinessWithHooks, vendor: Vendor, headers: Headers
) -> None:
    id_ = await business.connect(vendor, SECRETS[vendor])
    problem(await call(business, vendor, id_, b"[]", headers), 401, "unauthenticated")


async def test_a_compressed_body_is_not_taken(api: ApiClient) -> None:
    body = gzip.compress(b'{"email": "a@b.example", "password": "x"}')
    sent = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await api._http.post("/v1/auth/login", content=body, headers=sent)
    assert "Content-Encoding" in problem(answer, 415, "unsupported_media_type")["detail"]
    assert answer.headers["Accept-Encoding"] == "identity"
    plain = {"Content-Type": "application/json", "Content-Encoding": "identity"}
    problem(await api._http.post("/v1/auth/login", content=b"{}", headers=plain), 422, "invalid_request")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /livez HTTP/1.1\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: a b\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: a/b@c\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost:\r\n", 200),
        (b"GET /livez HTTP/1.1\r\nHost: [::1]:8000\r\n", 200),
        (b"GET /livez HTTP/1.0\r\n", 200),
    ],
)
async def test_a_request_names_one_host(api_url: str, head: bytes, status: int) -> None:
    answer = await send_raw(api_url, head + b"Connection: close\r\n\r\n")
    assert answer.status == status
    assert status == 200 or answer.code == "bad_request"
