"""ServiceTitan: jobs with their customers and locations, by its API v2 (https://developer.servicetitan.io).

Nothing there takes an idempotency key. What is made carries ids of ours as external data, by which it is looked
up before anything is made that may be there.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from time import monotonic
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5
from weakref import WeakValueDictionary

import httpx

from activities.adapters.vendor_http import new_client, raise_for, send
from activities.ports.jobs import Address, JobCustomer, WantedJob
from activities.ports.vendors import Account, Call
from domain.effects import VendorError
from domain.jobs import Job, JobState, the_one

API_URL: Final = "https://api.servicetitan.io"
AUTH_URL: Final = "https://auth.servicetitan.io"

_MOST: Final = 50
"""`ids` and `externalDataValues` take so many (Jobs_GetList, Appointments_GetList)."""
_BOOKING: Final = "holdfast_booking"
_CUSTOMER: Final = "holdfast_customer"
_LOCATION: Final = "holdfast_location"
_MARGIN_SECONDS: Final = 60.0
"""A token is not used in its last minute."""
_STATES: Final = {"Canceled": JobState.CANCELLED, "Completed": JobState.DONE}
_MEMO: Final = "The booking was cancelled."

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    good_until: float


class ServiceTitan:
    """The adapter; it serves the accounts of all businesses, each with a token of its own."""

    def __init__(self, api_url: str = API_URL, auth_url: str = AUTH_URL) -> None:
        self._api = new_client(api_url)
        self._auth = new_client(auth_url)
        self._tokens: dict[tuple[str, str], _Token] = {}
        self._turns: WeakValueDictionary[tuple[str, object], asyncio.Lock] = WeakValueDictionary()

    # --- jobs --------------------------------------------------------------------------------------------

    async def find(self, account: Account, booking_id: UUID) -> Job | None:
        """The booking's job; of several, one that goes on."""
        return the_one(await self.find_all(account, [booking_id]))

    async def find_all(self, account: Account, booking_ids: Sequence[UUID]) -> list[Job]:
        """All jobs of up to 50 bookings, each with its first appointment."""
        values = ",".join(str(booking_id) for booking_id in booking_ids[:_MOST])
        jobs = await self._known(account, "jpm", "jobs", _BOOKING, values)
        visits: dict[int, Json] = {}
        numbers = [job["firstAppointmentId"] for job in jobs]
        for start in range(0, len(numbers), _MOST):
            asked = {"ids": ",".join(map(str, numbers[start : start + _MOST]))}
            visits |= {visit["id"]: visit for visit in await self._list(account, "jpm", "appointments", asked)}
        return [
            _job(job, visits[job["firstAppointmentId"]]) for job in jobs if job["firstAppointmentId"] in visits
        ]

    async def create(self, call: Call, wanted: WantedJob) -> str:
        """Make the job, for a customer and at a place that are made unless they are known."""
        customer_id, location_id = await self._place(call, wanted)
        account, settings = call.account, call.account.settings
        body = {
            "customerId": customer_id,
            "locationId": location_id,
            "businessUnitId": settings["business_unit_id"],
            "jobTypeId": _job_type(account, wanted),
            "campaignId": settings["campaign_id"],
            "priority": "Normal",
            "appointments": [_times(wanted) | _arrival(wanted)],
            "summary": _html(wanted.summary),
            "externalData": _external(account, _BOOKING, wanted.booking_id),
        }
        made = await self._do(call, "POST", "jpm", "jobs", json=body)
        return str(made["id"])

    async def change(self, call: Call, job: Job, wanted: WantedJob) -> None:
        """Move the first appointment, and say what it is about now, where that is another."""
        if not job.is_at(wanted.starts_at, wanted.ends_at):
            path = f"appointments/{job.visit_ref}/reschedule"
            await self._do(call, "PATCH", "jpm", path, json=_times(wanted) | _arrival(wanted))
        if job.summary != _html(wanted.summary):
            body = {"summary": _html(wanted.summary), "jobTypeId": _job_type(call.account, wanted)}
            await self._do(call, "PATCH", "jpm", f"jobs/{job.ref}", json=body)

    async def cancel(self, call: Call, job: Job) -> None:
        """Cancel it, for the reason that the integration names."""
        body = {"reasonId": call.account.settings["cancel_reason_id"], "memo": _MEMO}
        await self._do(call, "PUT", "jpm", f"jobs/{job.ref}/cancel", json=body)

    async def revive(self, call: Call, job: Job) -> None:
        """Take its cancellation back."""
        await self._do(call, "PUT", "jpm", f"jobs/{job.ref}/remove-cancellation")

    # --- customers and locations -------------------------------------------------------------------------

    async def _place(self, call: Call, wanted: WantedJob) -> tuple[int, int]:
        """The ids of the customer and the location, which are looked up and made where there are none.

        One at a time for each customer: two bookings of one who is new would make two of them.
        """
        account = call.account
        address = wanted.address or _premises(account)
        if not (address.region and address.postal_code):
            raise VendorError("address_incomplete", permanent=True)
        turn = (account.settings["tenant"], wanted.customer.id)
        async with self._turns.setdefault(turn, asyncio.Lock()):
            customers = await self._known(account, "crm", "customers", _CUSTOMER, str(wanted.customer.id))
            location = _location(account, wanted.customer, address)
            if not customers:
                return await self._new_customer(call, wanted.customer, location)
            customer_id: int = customers[0]["id"]
            value = location["externalData"]["externalData"][0]["value"]
            known = await self._known(account, "crm", "locations", _LOCATION, value)
            if not known:
                body = location | {"customerId": customer_id}
                known = [await self._do(call, "POST", "crm", "locations", json=body)]
            return customer_id, known[0]["id"]

    async def _new_customer(self, call: Call, customer: JobCustomer, location: Json) -> tuple[int, int]:
        body = {
            "name": customer.name,
            "type": "Residential",
            "address": location["address"],
            "contacts": _contacts(customer),
            "locations": [location],
            "externalData": _external(call.account, _CUSTOMER, customer.id),
        }
        made = await self._do(call, "POST", "crm", "customers", json=body)
        return made["id"], made["locations"][0]["id"]

    # --- asking ------------------------------------------------------------------------------------------

    async def _known(self, account: Account, module: str, what: str, key: str, values: str) -> list[Json]:
        """What carries one of these values as external data of ours."""
        guid = account.settings["application_guid"]
        asked = {"externalDataApplicationGuid": guid, "externalDataKey": key, "externalDataValues": values}
        return await self._list(account, module, what, asked)

    async def _list(self, account: Account, module: str, what: str, asked: Json) -> list[Json]:
        """All pages of a list (https://developer.servicetitan.io/docs/api-resources-pagination/)."""
        found: list[Json] = []
        page = 1
        while True:
            answer = await self._ask(account, "GET", module, what, params=asked | {"page": page, "pageSize": 100})
            found += answer["data"]
            if not answer["hasMore"]:
                return found
            page += 1

    async def _do(self, call: Call, method: str, module: str, path: str, **content: Any) -> Json:
        """The answer to a request that changes something, made if the effect is still this attempt's."""
        await call.confirm()
        return await self._ask(call.account, method, module, path, **content)

    async def _ask(self, account: Account, method: str, module: str, path: str, **content: Any) -> Json:
        """The answer to one request; with a fresh token, once, when the one that we have is refused."""
        token = await self._token(account)
        response = await self._send(account, token, method, module, path, content)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            token = await self._token(account, instead_of=token)
            response = await self._send(account, token, method, module, path, content)
        raise_for(response)
        answer: Json = response.json() if response.content else {}
        return answer

    async def _send(
        self, account: Account, token: _Token, method: str, module: str, path: str, content: Json
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token.value}", "ST-App-Key": _secret(account, "app_key")}
        url = f"/{module}/v2/tenant/{account.settings['tenant']}/{path}"
        return await send(self._api, self._api.build_request(method, url, headers=headers, **content))

    async def _token(self, account: Account, *, instead_of: _Token | None = None) -> _Token:
        """A token of the account, kept for as long as it is good."""
        client_id, client_secret = _secret(account, "client_id"), _secret(account, "client_secret")
        name = (client_id, client_secret)
        async with self._turns.setdefault((client_id, "token"), asyncio.Lock()):
            known = self._tokens.get(name)
            if known is not None and known is not instead_of and known.good_until > monotonic():
                return known
            self._tokens[name] = await self._new_token(client_id, client_secret)
            return self._tokens[name]

    async def _new_token(self, client_id: str, client_secret: str) -> _Token:
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
        response = await send(self._auth, self._auth.build_request("POST", "/connect/token", data=form))
        if response.status_code == httpx.codes.BAD_REQUEST:  # RFC 6749, section 5.2: `invalid_client`
            raise VendorError("unauthorized", permanent=True)
        raise_for(response)
        answer = response.json()
        return _Token(answer["access_token"], monotonic() + float(answer["expires_in"]) - _MARGIN_SECONDS)


def _secret(account: Account, name: str) -> str:
    if name not in account.secrets:
        raise VendorError("not_configured", permanent=True)
    return account.secrets[name]


def _job(job: Json, visit: Json) -> Job:
    """The job as we see it; its external data are those of our application."""
    external = {item["key"]: item["value"] for item in job["externalData"]}
    return Job(
        ref=str(job["id"]),
        booking_id=UUID(external[_BOOKING]),
        state=_STATES.get(job["jobStatus"], JobState.OPEN),
        starts_at=datetime.fromisoformat(visit["start"]),
        ends_at=datetime.fromisoformat(visit["end"]),
        visit_ref=str(visit["id"]),
        summary=job.get("summary"),
    )


def _html(text: str) -> str:
    """Summaries are HTML (Jpm.V2.JobCreateRequest)."""
    return escape(text).replace("\n", "<br>")


def _job_type(account: Account, wanted: WantedJob) -> int:
    """The one that the integration names for the service, or for all others."""
    of_services: dict[str, int] = account.settings.get("job_types") or {}
    job_type: int = of_services.get(wanted.service_code, account.settings["job_type_id"])
    return job_type


def _times(wanted: WantedJob) -> Json:
    return {"start": _written(wanted.starts_at), "end": _written(wanted.ends_at)}


def _arrival(wanted: WantedJob) -> Json:
    """The customer was promised the time itself, and no window."""
    return {"arrivalWindowStart": _written(wanted.starts_at), "arrivalWindowEnd": _written(wanted.ends_at)}


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _external(account: Account, key: str, value: object) -> Json:
    data = [{"key": key, "value": str(value)}]
    return {"applicationGuid": account.settings["application_guid"], "externalData": data}


def _premises(account: Account) -> Address:
    """Where bookings take place that name no address; ServiceTitan takes no job without a location."""
    premises = account.settings.get("premises")
    if premises is None:
        raise VendorError("address_missing", permanent=True)
    return Address(**premises)


def _location(account: Account, customer: JobCustomer, address: Address) -> Json:
    """A location, known by whose it is and where."""
    written = {
        "street": address.street,
        "city": address.city,
        "state": address.region,
        "zip": address.postal_code,
        "country": address.country,
    }
    where = "/".join(part.casefold() for part in written.values())
    known_by = uuid5(NAMESPACE_URL, f"{customer.id}/{where}")
    return {
        "name": customer.name,
        "address": written,
        "contacts": _contacts(customer),
        "externalData": _external(account, _LOCATION, known_by),
    }


def _contacts(customer: JobCustomer) -> list[Json]:
    found = (("MobilePhone", customer.phone), ("Email", customer.email))
    return [{"type": kind, "value": value} for kind, value in found if value]
