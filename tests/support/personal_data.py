"""Personal data that tests recognise wherever it leaks, and a booking full of it."""

from tests.support.stage import Json, Stage, ok

CANARY = "Zyxwv-4711"
PHONE = "+12125550147"
PERSONAL: Json = {
    "customer": {"name": f"{CANARY} Roe", "email": f"{CANARY}@example.com", "phone": PHONE},
    "address": {"line1": f"1 {CANARY} St", "city": CANARY, "country": "US"},
    "notes": f"ask for {CANARY}",
    "attribution": {"utm_source": CANARY},
}
TRACES = (CANARY.lower(), PHONE, PHONE.lstrip("+"))


def traces_in(text: str) -> list[str]:
    return [trace for trace in TRACES if trace in text.lower()]


async def live_a_life(stage: Stage) -> Json:
    """Book, fail and cancel with personal data in every field that takes people's words."""
    body: Json = {"starts_at": stage.next_start(), "provider_id": stage.tenant.providers["ana"]} | PERSONAL
    booking = ok(await stage.as_("owner").book(stage.tenant, **body), 201)
    await stage.as_("owner").book(stage.tenant, **body)
    await stage.as_("owner").book(stage.tenant, **body | {"notes": CANARY * 1000})
    await stage.as_("owner").book(stage.tenant, **body | {CANARY: CANARY})
    await stage.as_("owner").book(stage.tenant, **body | {"provider_id": None, "service_id": CANARY})
    await stage.api.post("/v1/auth/login", {"email": f"{CANARY}@example.com", "password": CANARY})
    ok(await stage.as_("ana").command(booking["id"], "reject", reason=f"{CANARY} was rude"))
    ok(await stage.as_("owner").command(booking["id"], "cancel", reason=f"{CANARY} called"))
    return booking
