"""Rendering of messages in the reader's language and time zone, from a business's templates or the built-in ones.

The built-in templates are in the TOML files beside this module.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from markupsafe import Markup, escape

from domain.languages import look_up
from domain.lifecycle import Status
from domain.messages import OCCASIONS, Channel, Facts, Occasion, Template, variables
from domain.notifications import NoticeKind
from domain.sms import in_gsm_alphabet
from runtime.messages.sandbox import TemplateRefusedError, compiled, fill

LANGUAGES: Final = ("en", "de", "es", "ja")
LONGEST_SUBJECT: Final = 200
LONGEST_TEXT: Final = 65_536
LONGEST_SMS: Final = 1600
"""https://www.twilio.com/docs/glossary/what-sms-character-limit: longer bodies are refused."""

_LINK: Final = re.compile(r"(https?://[^\s<>\"']+[^\s<>\"'.,;:!?)])")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered message, ready to be sent."""

    language: str
    subject: str | None
    text: str
    html: str | None


class PartRefusedError(Exception):
    """A template cannot be used; `part` names the template's member at fault."""

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(f"{part}: {reason}")
        self.part = part
        self.reason = reason


def render(occasion: Occasion, facts: Facts, own: Iterable[Template] = ()) -> Rendered:
    """The message in the best available language; `own` are the business's templates for the occasion.

    If the business's template fails with these facts, the built-in one is used.
    """
    templates = {template.language: template for template in own}
    chosen = look_up(facts.preferred_languages(), {*LANGUAGES, *templates})
    assert chosen is not None, "English is the last preference"
    if chosen.language in templates:
        try:
            return render_with(templates[chosen.language], occasion.channel, facts, chosen.preference)
        except PartRefusedError:
            return render(occasion, facts)
    template = built_in_templates()[occasion, chosen.language]
    rendered = render_with(template, occasion.channel, facts, chosen.preference)
    if occasion.channel is Channel.SMS:
        rendered = replace(rendered, text=in_gsm_alphabet(rendered.text))
    return rendered


def render_with(template: Template, channel: Channel, facts: Facts, tag: str) -> Rendered:
    """The message from this template; `tag` is the language of its dates (BCP 47).

    Raises:
        PartRefusedError: the template fails with these facts.
    """
    values = variables(facts, tag)
    if channel is Channel.SMS:
        body = _filled("body", template.body, values, LONGEST_SMS)
        return Rendered(template.language, None, " ".join(body.split()), None)
    # One line, whatever the values are: a line break would start another header.
    subject = " ".join(_filled("subject", template.subject or "", values, LONGEST_SUBJECT).split())
    text = _filled("body", template.body, values, LONGEST_TEXT)
    if template.html is None:
        return Rendered(template.language, subject, text, as_html(text, tag))
    html = _filled("html", template.html, values, LONGEST_TEXT, html=True)
    return Rendered(template.language, subject, text, html)


def _filled(part: str, source: str, values: Mapping[str, str | int], longest: int, *, html: bool = False) -> str:
    try:
        return fill(compiled(source, html=html), values, longest=longest)
    except TemplateRefusedError as error:
        raise PartRefusedError(part, str(error)) from None


def as_html(text: str, tag: str) -> str:
    """Plain text as an HTML page with its paragraphs, lines and links."""
    paragraphs = [part.strip("\n") for part in re.split(r"\n{2,}", text) if part.strip()]
    body = Markup("\n").join(Markup("<p>{}</p>").format(_lines(part)) for part in paragraphs)
    page = Markup(
        '<!DOCTYPE html>\n<html lang="{}">\n<head><meta charset="utf-8"></head>\n'
        '<body style="font-family: sans-serif; line-height: 1.5">\n{}\n</body>\n</html>\n'
    )
    return str(page.format(tag, body))


def _lines(paragraph: str) -> Markup:
    return Markup("<br>\n").join(Markup("").join(_linked(line)) for line in paragraph.split("\n"))


def _linked(line: str) -> Iterator[Markup]:
    for index, part in enumerate(_LINK.split(line)):
        yield Markup('<a href="{0}">{0}</a>').format(part) if index % 2 else escape(part)


def sample_facts(occasion: Occasion) -> Facts:
    """Fictitious facts for trying a template."""
    starts_at = datetime(2035, 3, 14, 14, 0, tzinfo=UTC)
    return Facts(
        audience=occasion.audience,
        business_name="Corner Garage",
        business_locale="en-US",
        business_timezone="America/New_York",
        reference="7K3MQ9T",
        status=Status.CANCELLED if occasion.kind is NoticeKind.CANCELLED else Status.ACCEPTED,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=1),
        booking_timezone="America/New_York",
        service_name="Repair",
        provider_name="Ana",
        provider_timezone=None,
        customer_name="Casey Roe",
        customer_locale=None,
        customer_timezone=None,
        minutes_before=1440 if occasion.kind is NoticeKind.REMINDER else None,
    )


# --- built-in templates ---------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def built_in_templates() -> Mapping[tuple[Occasion, str], Template]:
    """The built-in templates, by occasion and language. None is missing."""
    return MappingProxyType(
        {
            (occasion, language): _template(occasion, language, table)
            for language in LANGUAGES
            for table in [_table(language)]
            for occasion in OCCASIONS
        }
    )


def _table(language: str) -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name(f"{language}.toml").read_text("utf-8"))


def _template(occasion: Occasion, language: str, table: dict[str, Any]) -> Template:
    words = table[occasion.kind][occasion.audience]
    if occasion.channel is Channel.SMS:
        end = table["sms"]["end"][occasion.audience]
        return Template(language, None, f"{words['sms']} {end}".rstrip())
    email = table["email"]
    parts = (email["greeting"][occasion.audience], words["text"], email["details"], "{{ business.name }}")
    return Template(language, words["subject"], "\n\n".join(parts) + "\n")
