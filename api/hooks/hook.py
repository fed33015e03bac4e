"""The port for vendors' webhooks: a signature proves each call, and each event in it is applied once."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from api.shapes import Text

Name = Annotated[Text, Field(min_length=1, max_length=255)]
"""Characters of an id, a type or a key that a vendor sends."""


class VendorPayload(BaseModel):
    """Base of vendors' payloads: the members that we read, with their bounds. Others are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


@dataclass(frozen=True, slots=True)
class Integration:
    """A business's account at the vendor that calls."""

    id: UUID
    business_id: UUID
    settings: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Received:
    """A call as received, untrusted until its signature is verified."""

    url: str
    """As the vendor called it: `settings.public_url`, path and query."""
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    """Case-insensitive."""
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Event:
    """One event at the vendor."""

    id: str
    """Constant over all deliveries, and unique in the integration; 255 characters at most."""
    type: str
    data: Any = field(default=None, repr=False)
    """What `apply` needs. It is neither stored nor logged."""


class Hook(ABC):
    """How to verify and read one vendor's calls."""

    @abstractmethod
    def verify(self, received: Received, integration: Integration) -> bool:
        """Whether the integration's vendor signed it. Signatures are compared in constant time.

        Raises:
            TypeError, ValueError: what was sent cannot be a signature.
        """

    @abstractmethod
    def events(self, received: Received) -> Sequence[Event]:
        """The events in it, in the order in which they are applied.

        Calls are handled concurrently: they should name shared rows in the same order, or they may deadlock.

        Raises:
            ValueError: it is not a call that the vendor documents.
        """

    @abstractmethod
    async def apply(self, conn: AsyncConnection, integration: Integration, event: Event) -> None:
        """Apply a new event, in the transaction that records its id.

        Events come in any order: one that is older than what we know changes nothing.
        """

    def answer(self) -> Response:
        """The answer to the vendor, whether the events are new or not."""
        return Response(status_code=204)
