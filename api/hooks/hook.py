"""What a vendor's calls have in common: each is proved by a signature, and holds events that are taken once."""

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
"""Of what a vendor names: an id, a type, a key."""


class Told(BaseModel):
    """Base of what a vendor's calls hold: the members that we read, with their bounds; others are left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")


@dataclass(frozen=True, slots=True)
class Integration:
    """Whose vendor calls: a business's account there."""

    id: UUID
    business_id: UUID
    settings: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Received:
    """A call as it came; nothing in it is to be believed before its signature has been checked."""

    url: str
    """As the vendor called it: `settings.public_url`, path and query."""
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    """Names are found in upper and lower case alike."""
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that has happened at the vendor."""

    id: str
    """Constant over all deliveries of it, and unique in the integration; 255 characters at most."""
    type: str
    data: Any = field(default=None, repr=False)
    """What `take` needs of it. It is neither stored nor logged."""


class Hook(ABC):
    """How one vendor's calls are understood."""

    @abstractmethod
    def verify(self, received: Received, integration: Integration) -> bool:
        """Whether the integration's vendor has signed it. Signatures are compared in constant time.

        Raises:
            TypeError, ValueError: what was sent cannot be a signature, so it is none.
        """

    @abstractmethod
    def events(self, received: Received) -> Sequence[Event]:
        """What it tells, in the order in which it is to be taken.

        Two calls that tell of the same rows should name them in the same order: they are taken at the same time.

        Raises:
            ValueError: it is none of the calls that the vendor documents.
        """

    @abstractmethod
    async def take(self, conn: AsyncConnection, integration: Integration, event: Event) -> None:
        """Do what follows from an event that is new, in the transaction that notes it.

        Events come in any order: what is older than what we know changes nothing.
        """

    def answer(self) -> Response:
        """What the vendor is answered, be the events new or not."""
        return Response(status_code=204)
