"""Validation of a business's own templates when they are stored, not when they are needed."""

from dataclasses import replace
from typing import Final

from fastapi.exceptions import RequestValidationError

from api.messages.schemas import TemplateIn
from domain.messages import Channel, Facts, Occasion, Template
from runtime.messages.rendering import PartRefusedError, Rendered, render_with, sample_facts

_OF_EMAILS: Final = ("subject", "html")


def template_of(
    occasion: Occasion, language: str, body: TemplateIn, *, at: tuple[str, ...] = ("body",)
) -> Template:
    """A template that renders; `at` is its place in the request.

    Raises:
        RequestValidationError: naming the part and the line at fault.
    """
    if occasion.channel is Channel.SMS:
        for part in _OF_EMAILS:
            if getattr(body, part) is not None:
                raise _invalid(at, part, "a text message has none")
    elif body.subject is None:
        raise _invalid(at, "subject", "an e-mail needs one")
    template = Template(language, body.subject, body.body, body.html)
    whole = sample_facts(occasion)
    for facts in (whole, replace(whole, provider_name=None, customer_name="")):
        _require_words(rendered_with(occasion, template, facts, language, at=at), at)
    return template


def rendered_with(
    occasion: Occasion, template: Template, facts: Facts, tag: str, *, at: tuple[str, ...] = ("body",)
) -> Rendered:
    """The rendered message; raises as `template_of` does."""
    try:
        return render_with(template, occasion.channel, facts, tag)
    except PartRefusedError as error:
        raise _invalid(at, error.part, error.reason) from None


def _require_words(rendered: Rendered, at: tuple[str, ...]) -> None:
    if not rendered.text.strip():
        raise _invalid(at, "body", "says nothing")
    if rendered.subject is not None and not rendered.subject:
        raise _invalid(at, "subject", "says nothing")


def _invalid(at: tuple[str, ...], part: str, message: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": (*at, part), "msg": message}])
