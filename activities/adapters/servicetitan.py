"""ServiceTitan: jobs with their customers and locations, through API v2 (https://developer.servicetitan.io).

The API has no idempotency keys. Whatever is created carries our ids as external data, and is looked up by them
before it is created again.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5
from weakref import WeakValueDictionary

import httpx

from activities.adapters.oauth import AccessToken, AccessTokens
from activities.adapters.vendor_http import new_client, raise_for, send
from activities.ports import Address, JobCustomer, JobDetails
from activities.vendor_calls import Account, Call
from domain.effects import VendorError
from domain.jobs import Job, JobState, current_job

API_URL: Final = "https://api.servicetitan.io"
AUTH_URL: Final = "https://auth.servicetitan.io"

_BATCH: Final = 50
"""The limit of `ids` and `externalDataValues` (Jobs_GetList, Appointments_GetList)."""
_BOOKING: Final = "holdfast_booking"
_CUSTOMER: Final = "holdfast_customer"
_LOCATION: Final = "holdfast_location"
_STATES: Final = {"Canceled": JobState.CANCELLED, "Completed": JobState.DONE}
_MEMO: Final = "The booking was cancelled."

Json = dict[str, Any]


class ServiceTitan:
    """Serves the accounts of all businesses, each with its own access token."""

    def __init__(self, api_url: str = API_URL, auth_url: str = AUTH_URL) -> None:
        self._api = new_client(api_url)
        self._tokens = AccessTokens(auth_url, "/connect/token")
        self._customer_locks: WeakValueDictionary[tuple[str, UUID], asyncio.Lock] = WeakValueDictionary()

    # --- jobs --------------------------------------------------------------------------------------------

    async def find(self, account: Account, booking_id: UUID) -> Job | None:
        """The booking's job; of several, an open one."""
        return current_job(await self.find_all(account, [booking_id]))

    async def find_all(self, account: Account, booking_ids: Sequence[UUID]) -> list[Job]:
        """All jobs of up to 50 bookings, each with its first appointment."""
        values = ",".join(str(booking_id) for booking_id in booking_ids[:_BATCH])
        jobs = await self._known(account, "jpm", "jobs", _BOOKING, values)
        visits: dict[int, Json] = {}
        numbers = [job["firstAppointmentId"] for job in jobs]
        for start in range(0, len(numbers), _BATCH):
            query = {"ids": ",".join(map(str, numbers[start : start + _BATCH]))}
            visits |= {visit["id"]: visit for visit in await self._list(account, "jpm", "appointments", query)}
        return [
            _job(job, visits[job["firstAppointmentId"]]) for job in jobs if job["firstAppointmentId"] in visits
        ]

    async def create(self, call: Call, details: JobDetails) -> str:
        """Create the job, with its customer and location where they are missing; returns the job's id."""
        customer_id, location_id = await self._customer_and_location(call, details)
        account, settings = call.account, call.account.settings
        body = {
            "customerId": customer_id,
            "locationId": location_id,
            "businessUnitId": settings["business_unit_id"],
            "jobTypeId": _job_type(account, details),
            "campaignId": settings["campaign_id"],
            "priority": "Normal",
            "appointments": [_times(details) | _arrival(details)],
            "summary": _html(details.summary),
            "externalData": _external(account, _BOOKING, details.booking_id),
        }
        created = await self._change(call, "POST", "jpm", "jobs", json=body)
        return str(created["id"])

    async def change(self, call: Call, job: Job, details: JobDetails) -> None:
        """Update the time of the first appointment and the job's summary, where they differ."""
        if not job.is_at(details.starts_at, details.ends_at):
            path = f"appointments/{job.visit_ref}/reschedule"
            await self._change(call, "PATCH", "jpm", path, json=_times(details) | _arrival(details))
        if job.summary != _html(details.summary):
            body = {"summary": _html(details.summary), "jobTypeId": _job_type(call.account, details)}
            await self._change(call, "PATCH", "jpm", f"jobs/{job.ref}", json=body)

    async def cancel(self, call: Call, job: Job) -> None:
        """Cancel it, with the reason that the integration configures."""
        body = {"reasonId": call.account.settings["cancel_reason_id"], "memo": _MEMO}
        await self._change(call, "PUT", "jpm", f"jobs/{job.ref}/cancel", json=body)

    async def revive(self, call: Call, job: Job) -> None:
        """Undo its cancellation."""
        await self._change(call, "PUT", "jpm", f"jobs/{job.ref}/remove-cancellation")

    # --- customers and locations -------------------------------------------------------------------------

    async def _customer_and_location(self, call: Call, details: JobDetails) -> tuple[int, int]:
        """The ids of the customer and the location, which are created if they do not exist.

        One call at a time per customer: two bookings of a new customer would create that customer twice.
        """
        account = call.account
        address = details.address or _premises(account)
        if not (address.region and address.postal_code):
            raise VendorError("address_incomplete", permanent=True)
        customer = (account.settings["tenant"], details.customer.id)
        async with self._customer_locks.setdefault(customer, asyncio.Lock()):
            customers = await self._known(account, "crm", "customers", _CUSTOMER, str(details.customer.id))
            location = _location(account, details.customer, address)
            if not customers:
                return await self._new_customer(call, details.customer, location)
            customer_id: int = customers[0]["id"]
            value = location["externalData"]["externalData"][0]["value"]
            known = await self._known(account, "crm", "locations", _LOCATION, value)
            if not known:
                body = location | {"customerId": customer_id}
                known = [await self._change(call, "POST", "crm", "locations", json=body)]
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
        created = await self._change(call, "POST", "crm", "customers", json=body)
        return created["id"], created["locations"][0]["id"]

    # --- requests ----------------------------------------------------------------------------------------

    async def _known(self, account: Account, module: str, what: str, key: str, values: str) -> list[Json]:
        """Objects that carry one of these values as our external data."""
        guid = account.settings["application_guid"]
        query = {"externalDataApplicationGuid": guid, "externalDataKey": key, "externalDataValues": values}
        return await self._list(account, module, what, query)

    async def _list(self, account: Account, module: str, what: str, query: Json) -> list[Json]:
        """All pages of a list (https://developer.servicetitan.io/docs/api-resources-pagination/)."""
        found: list[Json] = []
        page = 1
        while True:
            params = query | {"page": page, "pageSize": 100}
            answer = await self._request(account, "GET", module, what, params=params)
            found += answer["data"]
            if not answer["hasMore"]:
                return found
            page += 1

    async def _change(self, call: Call, method: str, module: str, path: str, **content: Any) -> Json:
        """Send a request that changes something, if this attempt still holds the effect's lease."""
        await call.confirm()
        return await self._request(call.account, method, module, path, **content)

    async def _request(self, account: Account, method: str, module: str, path: str, **content: Any) -> Json:
        """Send a request; if the access token is refused, send it once more with a fresh one."""
        token = await self._tokens.get(_grant(account))
        response = await self._send(account, token, method, module, path, content)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            token = await self._tokens.get(_grant(account), instead_of=token)
            response = await self._send(account, token, method, module, path, content)
        raise_for(response)
        answer: Json = response.json() if response.content else {}
        return answer

    async def _send(
        self, account: Account, token: AccessToken, method: str, module: str, path: str, content: Json
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token.value}", "ST-App-Key": _secret(account, "app_key")}
        url = f"/{module}/v2/tenant/{account.settings['tenant']}/{path}"
        return await send(self._api, self._api.build_request(method, url, headers=headers, **content))


def _grant(account: Account) -> dict[str, str]:
    secrets = {name: _secret(account, name) for name in ("client_id", "client_secret")}
    return {"grant_type": "client_credentials"} | secrets


def _secret(account: Account, name: str) -> str:
    if name not in account.secrets:
        raise VendorError("not_configured", permanent=True)
    return account.secrets[name]


def _job(job: Json, visit: Json) -> Job:
    """The job in our terms; its external data is our application's."""
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


def _job_type(account: Account, details: JobDetails) -> int:
    """The job type that the integration configures for the service, else its default."""
    of_services: dict[str, int] = account.settings.get("job_types") or {}
    job_type: int = of_services.get(details.service_code, account.settings["job_type_id"])
    return job_type


def _times(details: JobDetails) -> Json:
    return {"start": _written(details.starts_at), "end": _written(details.ends_at)}


def _arrival(details: JobDetails) -> Json:
    """The customer was promised an exact time, not a window."""
    return {"arrivalWindowStart": _written(details.starts_at), "arrivalWindowEnd": _written(details.ends_at)}


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _external(account: Account, key: str, value: object) -> Json:
    data = [{"key": key, "value": str(value)}]
    return {"applicationGuid": account.settings["application_guid"], "externalData": data}


def _premises(account: Account) -> Address:
    """The location of bookings without an address: ServiceTitan accepts no job without a location."""
    premises = account.settings.get("premises")
    if premises is None:
        raise VendorError("address_missing", permanent=True)
    return Address(**premises)


def _location(account: Account, customer: JobCustomer, address: Address) -> Json:
    """A location, identified by its customer and address."""
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
