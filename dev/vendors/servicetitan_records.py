"""The records of one tenant of the simulated ServiceTitan."""

from collections.abc import Iterator
from datetime import UTC, datetime

from dev.vendors.ledger import Json


class TenantRecords:
    """Customers, locations, jobs and appointments by id; ids are unique across tenants."""

    def __init__(self, ids: Iterator[int]) -> None:
        self._ids = ids
        self.customers: dict[int, Json] = {}
        self.locations: dict[int, Json] = {}
        self.jobs: dict[int, Json] = {}
        self.appointments: dict[int, Json] = {}

    def add(self, kind: dict[int, Json], record: Json) -> Json:
        """Store a record under a new id."""
        number = next(self._ids)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        kind[number] = {"id": number, "active": True, "createdOn": now, "modifiedOn": now} | record
        return kind[number]

    def jobs_of(self, booking_id: object) -> list[Json]:
        """The jobs with this value as external data."""
        return [job for job in self.jobs.values() if str(booking_id) in job["external"].values()]

    def appointment_of(self, job: Json) -> Json:
        """The first appointment of a job."""
        return self.appointments[job["firstAppointmentId"]]
