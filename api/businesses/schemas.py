"""What anybody may read of a business: no contact data of its people."""

from uuid import UUID

from pydantic import BaseModel

from api.shapes import Money


class BusinessOut(BaseModel):
    id: UUID
    slug: str
    name: str
    timezone: str
    currency: str
    locale: str
    status: str


class ServiceOut(BaseModel):
    id: UUID
    code: str
    name: str
    description: str
    duration_minutes: int
    buffer_before_minutes: int
    buffer_after_minutes: int
    price: Money


class ProviderOut(BaseModel):
    id: UUID
    name: str
    skills: list[str]
    rating: float
    available: bool


class Services(BaseModel):
    items: list[ServiceOut]


class Providers(BaseModel):
    items: list[ProviderOut]
