"""Postal codes on the wire. They are compared and stored in their plain form: upper case, no spaces or hyphens."""

from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from api.shapes import In
from domain.areas import Area, AreaKind, plain_code

_MOST: Final = 2000
_LONGEST: Final = 20


def _plain(value: str) -> str:
    code = plain_code(value)
    if not (code.isascii() and code.isalnum() and len(code) <= _LONGEST):
        raise ValueError("a postal code is made of the letters A to Z and digits")
    return code


PostalCode = Annotated[str, Field(min_length=1, max_length=_LONGEST), AfterValidator(_plain)]


class AreaIn(In):
    """`exact` and `prefix` have a `code`; a `range` goes from `from` to `to`, both included."""

    model_config = ConfigDict(validate_by_name=False, validate_by_alias=True)

    kind: AreaKind
    code: PostalCode | None = None
    from_: PostalCode | None = Field(default=None, alias="from")
    to: PostalCode | None = None

    @model_validator(mode="after")
    def _say_which(self) -> Self:
        ends = (self.from_, self.to)
        if self.kind is not AreaKind.RANGE:
            if self.code is None or ends != (None, None):
                raise ValueError(f"'{self.kind}' has a code, and neither from nor to")
        elif self.from_ is None or self.to is None or self.code is not None:
            raise ValueError("a range has from and to, and no code")
        elif len(self.from_) != len(self.to) or self.to < self.from_:
            raise ValueError(f"{self.from_} to {self.to} is no range: the ends are of one length, the lower first")
        return self

    def area(self) -> Area:
        """The same for the domain."""
        first = self.code if self.from_ is None else self.from_
        assert first is not None
        return Area(self.kind, first, self.to)

    @classmethod
    def of_area(cls, area: Area) -> "AreaIn":
        """The other way round."""
        if area.kind is AreaKind.RANGE:
            return AreaIn.model_validate({"kind": area.kind, "from": area.first, "to": area.last})
        return AreaIn(kind=area.kind, code=area.first)


class AreasIn(In):
    """Every postal code served; none: everywhere, and for a provider wherever the business goes."""

    areas: Annotated[list[AreaIn], Field(max_length=_MOST)]

    def plain(self) -> list[Area]:
        """Each area once."""
        return list(dict.fromkeys(area.area() for area in self.areas))


class BusinessAreas(BaseModel):
    areas: list[AreaIn]


class ProviderAreas(BusinessAreas):
    own: bool
    """False: the provider goes where the business does, and this is where."""
