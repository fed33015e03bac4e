"""Request bodies of the simulated ServiceTitan, with the members that Holdfast sends."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic.alias_generators import to_camel

from dev.vendors.ledger import Json


def _as_utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_Moment = Annotated[AwareDatetime, PlainSerializer(_as_utc)]
_Line = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    def record(self) -> Json:
        """The stored record, without members that are stored separately."""
        return self.model_dump(
            by_alias=True, exclude_unset=True, exclude={"external_data", "locations", "appointments"}
        )


class ExternalItem(Model):
    key: _Line
    value: _Line


class ExternalData(Model):
    application_guid: _Line
    external_data: list[ExternalItem]


class Address(Model):
    street: _Line
    unit: str | None = None
    city: _Line
    state: _Line
    zip: _Line
    country: _Line


class Contact(Model):
    type: Literal["Phone", "Email", "Fax", "MobilePhone"]
    value: _Line
    memo: str | None = None


class Location(Model):
    customer_id: int = 0
    """Only of a location that is created by itself; one in a new customer belongs to that customer."""
    name: _Line
    address: Address
    contacts: list[Contact] = []
    external_data: ExternalData | None = None


class Customer(Model):
    name: _Line
    type: Literal["Residential", "Commercial"] = "Residential"
    locations: list[Location] = Field(min_length=1)
    address: Address
    contacts: list[Contact] = []
    external_data: ExternalData | None = None


class Times(Model):
    start: _Moment
    end: _Moment
    arrival_window_start: _Moment | None = None
    arrival_window_end: _Moment | None = None


class Job(Model):
    customer_id: int
    location_id: int
    business_unit_id: int
    job_type_id: int
    priority: Literal["Low", "Normal", "High", "Urgent"]
    campaign_id: int
    appointments: list[Times] = Field(min_length=1)
    summary: str | None = None
    external_data: ExternalData | None = None


class JobChange(Model):
    job_type_id: int = 0
    summary: str | None = None


class Cancellation(Model):
    reason_id: int
    memo: str
