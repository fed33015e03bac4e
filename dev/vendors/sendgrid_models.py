"""The request body of SendGrid's Mail Send, as far as it is needed here."""

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, model_validator

_RESERVED = frozenset(
    {
        *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"),
        *("to", "from", "subject", "reply-to", "cc", "bcc"),
    }
)


def _is_plain(value: str) -> str:
    if ";" in value or "\r" in value or "\n" in value:
        raise ValueError("must not contain ; or CRLF")
    return value


MediaType = Annotated[str, Field(min_length=1), AfterValidator(_is_plain)]


class Model(BaseModel):
    model_config = ConfigDict(extra="allow", populate_by_name=True)


class Person(Model):
    email: EmailStr
    name: str | None = None


class Personalization(Model):
    to: list[Person] = Field(min_length=1, max_length=1000)
    custom_args: dict[str, str] = {}


class Content(Model):
    type: MediaType
    value: str = Field(min_length=1)


class Attachment(Model):
    content: str = Field(min_length=1)
    type: MediaType = "application/octet-stream"
    filename: str = Field(min_length=1)


class MailSend(Model):
    """The body; plain text must come before HTML."""

    personalizations: list[Personalization] = Field(min_length=1, max_length=1000)
    sender: Person = Field(alias="from")
    reply_to: Person | None = None
    subject: str = Field(min_length=1)
    content: list[Content] = Field(min_length=1)
    attachments: list[Attachment] = []
    headers: dict[str, str] = {}
    custom_args: dict[str, str] = {}

    @model_validator(mode="after")
    def _is_documented(self) -> Self:
        if reserved := _RESERVED & {name.lower() for name in self.headers}:
            raise ValueError(f"reserved headers: {', '.join(sorted(reserved))}")
        if [one.type for one in self.content[:2]] == ["text/html", "text/plain"]:
            raise ValueError("text/plain must come before text/html")
        return self
