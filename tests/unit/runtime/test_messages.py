"""Message texts: complete in every language, and harmless whoever wrote them."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest

from domain.messages import OCCASIONS, VARIABLES, Channel, Facts, Occasion, Template, variables
from domain.notifications import Audience, NoticeKind
from domain.sms import segments
from runtime.messages.rendering import (
    LANGUAGES,
    LONGEST_SMS,
    PartRefusedError,
    Rendered,
    as_html,
    built_in_templates,
    render,
    render_with,
    sample_facts,
)
from runtime.messages.sandbox import LONGEST_SOURCE, TemplateRefusedError, compiled, fill

CONFIRMED: Final = Occasion(NoticeKind.CONFIRMED, Audience.CUSTOMER, Channel.EMAIL)
BY_SMS: Final = Occasion(NoticeKind.CONFIRMED, Audience.CUSTOMER, Channel.SMS)
SAMPLE: Final = sample_facts(CONFIRMED)


def filled(source: str, facts: Facts = SAMPLE, *, html: bool = False, longest: int = 10_000) -> str:
    return fill(compiled(source, html=html), variables(facts, "en"), longest=longest)


def named(occasion: Occasion) -> str:
    return f"{occasion.kind}-{occasion.audience}-{occasion.channel}"


@pytest.mark.parametrize("occasion", OCCASIONS, ids=named)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_is_written_in_every_language_whatever_is_missing(language: str, occasion: Occasion) -> None:
    whole = sample_facts(occasion).in_language(language)
    for facts in (whole, replace(whole, provider_name=None, customer_name="", minutes_before=None)):
        message = render(occasion, facts)
        assert message.language == language
        assert "{" not in message.text
        assert "None" not in message.text
        assert facts.reference in message.text
        if occasion.channel is Channel.SMS:
            assert (message.subject, message.html) == (None, None)
            assert len(message.text) < 320
            assert ("STOP" in message.text) is (occasion.audience is Audience.CUSTOMER)
        else:
            assert message.subject
            assert "\n" not in message.subject
            assert f'lang="{language}"' in str(message.html)


@pytest.mark.parametrize("occasion", OCCASIONS, ids=named)
def test_no_language_repeats_another_s_words(occasion: Occasion) -> None:
    assert len({built_in_templates()[occasion, language].body for language in LANGUAGES}) == len(LANGUAGES)


def test_every_variable_has_a_value() -> None:
    assert variables(SAMPLE, "en").keys() == VARIABLES.keys()


def test_times_are_told_in_the_reader_s_zone() -> None:
    facts = replace(SAMPLE, customer_timezone="Asia/Tokyo", provider_timezone="Europe/Berlin")
    assert "11:00 PM to 12:00 AM (JST)" in render(CONFIRMED, facts).text
    to_provider = replace(facts, audience=Audience.PROVIDER)
    assert variables(to_provider, "en")["booking.start_time"] == "3:00 PM"
    assert variables(replace(SAMPLE, audience=Audience.OWNER), "en")["booking.zone"] == "EDT"


def test_the_customer_s_language_comes_before_the_business_s_and_english_last() -> None:
    german = replace(SAMPLE, business_locale="de-DE")
    assert render(CONFIRMED, german).language == "de"
    assert render(CONFIRMED, replace(german, customer_locale="ja-JP")).language == "ja"
    assert render(CONFIRMED, replace(german, customer_locale="fr")).language == "de"
    assert render(CONFIRMED, replace(SAMPLE, business_locale="pl")).language == "en"


def test_a_business_s_own_words_come_before_ours_of_the_same_language_alone() -> None:
    own = [Template("de", "Betreff", "Hallo."), Template("fr", "Sujet", "Bonjour, {{ booking.date }}.")]
    assert render(CONFIRMED, SAMPLE.in_language("de-CH"), own).text == "Hallo."
    assert render(CONFIRMED, SAMPLE.in_language("fr"), own).text == "Bonjour, 2035-03-14."
    assert "confirmed" in render(CONFIRMED, SAMPLE, own).text


def test_own_words_that_cannot_be_filled_in_give_way_to_ours() -> None:
    own = [Template("en", "x", "{{ business.name|truncate(1) }}")]
    assert "confirmed" in render(CONFIRMED, SAMPLE, own).text


ESCAPES: Final = [
    "{{ ''.__class__.__mro__ }}",
    "{{ ''.__class__ }}",
    "{{ booking.__class__ }}",
    "{{ booking['__class__'] }}",
    "{{ booking|attr('__class__') }}",
    "{{ booking }}",
    "{{ self }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ business.name.upper() }}",
    "{{ business.name.format }}",
    "{{ range(3) }}",
    "{{ [1, 2] }}",
    "{{ {'a': 1} }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ 'a' * 1000000000 }}",
    "{{ '%999999999d'|format(1) }}",
    "{{ 'a'|center(999999999) }}",
    "{{ 'a'|replace('a', 'aaaaaaaaaa') }}",
    "{{ customer.name|safe }}",
    "{{ customer.name|map('upper') }}",
    "{% for x in 'ab' %}{% endfor %}",
    "{% for x in range(99999999) %}{% endfor %}",
    "{% set a = 'a' %}",
    "{% set a %}a{% endset %}",
    "{% macro m() %}{% endmacro %}",
    "{% call m() %}{% endcall %}",
    "{% filter upper %}{% endfilter %}",
    "{% with %}{% endwith %}",
    "{% block b %}{% endblock %}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% extends 'x' %}",
    "{% autoescape false %}{% endautoescape %}",
    "{{ business.name is callable }}",
    "{{ " + "(" * 500 + "1" + ")" * 500 + " }}",
    "{{ 1" + " and 1" * 2000 + " }}",
    "{{ business.name" + "|upper" * 2000 + " }}",
    "{% if 1 %}" * 500 + "{% endif %}" * 500,
    "{{ " + "9" * 9000 + " }}",
    "{{ business.name }}" * 501,
    "{{",
    "{% if 1 %}",
    "x" * (LONGEST_SOURCE + 1),
]


@pytest.mark.parametrize("source", ESCAPES, ids=lambda source: source[:30])
@pytest.mark.parametrize("html", [False, True])
def test_a_template_that_could_do_more_than_speak_is_refused(source: str, html: bool) -> None:
    with pytest.raises(TemplateRefusedError):
        compiled(source, html=html)


def test_the_refusal_names_the_line_and_the_thing() -> None:
    with pytest.raises(TemplateRefusedError, match=r"line 3: there is no variable booking\.start"):
        compiled("a\nb\n{{ booking.start }}")
    with pytest.raises(TemplateRefusedError, match=r"line 2: for is not allowed in a message"):
        compiled("a\n{% for x in y %}{% endfor %}")
    with pytest.raises(PartRefusedError, match=r"html: line 1: there is no filter safe"):
        render_with(Template("en", "s", "b", "{{ customer.name|safe }}"), Channel.EMAIL, SAMPLE, "en")


def test_what_a_template_may_do_it_can() -> None:
    source = (
        "{% if booking.status == 'accepted' and not minutes_before %}"
        "{{ service.name|upper }}{% else %}-{% endif %}"
        " {{ provider.name or 'somebody' }} {{ customer.name|default('', true)|truncate(4, true, '.', 0) }}"
        " {# no #}{{ 'a' ~ business.name if business.name is ne('') else '' }}"
    )
    assert filled(source) == "REPAIR Ana Cas. aCorner Garage"
    soon = replace(SAMPLE, minutes_before=10)
    assert filled("{% if minutes_before < 60 %}{{ minutes_before }} min{% endif %}", soon) == "10 min"


def test_no_template_prints_without_end() -> None:
    longest = "{{ business.name }}" * 100
    with pytest.raises(TemplateRefusedError, match="longer than 100 characters"):
        filled(longest, replace(SAMPLE, business_name="&" * 200), html=True, longest=100)
    with pytest.raises(PartRefusedError, match=f"longer than {LONGEST_SMS} characters"):
        render_with(Template("en", None, "x" * 1601), Channel.SMS, SAMPLE, "en")


def test_html_escapes_what_is_filled_in() -> None:
    nasty = replace(SAMPLE, service_name="<script>alert('&')</script>")
    own = Template("en", "s", "{{ service.name }}", "<b>{{ service.name }}</b>")
    message = render_with(own, Channel.EMAIL, nasty, "en")
    assert message.html == "<b>&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;</b>"
    assert message.text == nasty.service_name
    assert "<script>" not in str(render(CONFIRMED, nasty).html)


def test_text_becomes_paragraphs_lines_and_links() -> None:
    page = as_html("Hello <you>,\n\nsee https://example.com/a?b=1&c=2.\nBye", "de")
    link = '<a href="https://example.com/a?b=1&amp;c=2">https://example.com/a?b=1&amp;c=2</a>.'
    assert f"<p>Hello &lt;you&gt;,</p>\n<p>see {link}<br>\nBye</p>" in page


def test_a_subject_and_a_text_message_are_one_line() -> None:
    broken = replace(SAMPLE, service_name="Repair\r\nBcc: everybody@example.com")
    assert render(CONFIRMED, broken).subject == (
        "Confirmed: Repair Bcc: everybody@example.com on Wednesday, March 14, 2035"
    )
    assert "\n" not in render(BY_SMS, broken).text


def test_a_message_over_midnight_says_so_where_it_is_asked_for() -> None:
    long = replace(SAMPLE, ends_at=SAMPLE.starts_at + timedelta(hours=20))
    assert filled("{{ booking.ends }}", long) == "Thursday, March 15, 2035 at 6:00 AM"


@pytest.mark.parametrize("occasion", [one for one in OCCASIONS if one.channel is Channel.SMS], ids=named)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_of_ours_costs_no_more_segments_than_its_language_needs(language: str, occasion: Occasion) -> None:
    whole = sample_facts(occasion).in_language(language)
    named_so = replace(
        whole, business_name="Peluquería Ángel", service_name="Corte y coloración", provider_name="José"
    )
    for facts in (whole, named_so):
        for day in range(0, 364, 5):  # every month, every day of the week
            starts_at = whole.starts_at + timedelta(days=day)
            text = render(occasion, replace(facts, starts_at=starts_at, ends_at=starts_at)).text
            assert segments(text) <= _SEGMENTS[language], text


_SEGMENTS: Final = {"en": 2, "de": 2, "es": 2, "ja": 2}


def test_a_business_s_own_words_are_texted_as_they_are_written() -> None:
    own = [Template("es", None, "Está confirmada, {{ booking.reference }}.")]
    assert render(BY_SMS, SAMPLE.in_language("es"), own).text == "Está confirmada, 7K3MQ9T."


def test_a_customer_s_name_that_looks_like_a_link_greets_nobody() -> None:
    lured: Rendered = render(CONFIRMED, replace(SAMPLE, customer_name="Win at evil.example"))
    assert "evil" not in lured.text
    assert lured.text.startswith("Hello,")
