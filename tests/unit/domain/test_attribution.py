"""Attribution data for vendors, and digests against the vendors' own examples."""

from uuid import UUID

import pytest

from domain.attribution import (
    ga4_client_id,
    google_email,
    google_phone,
    meta_email,
    meta_names,
    meta_phone,
    read_attribution,
    sha256,
)

CLICK = "EAIaIQobChMI-abc_DEF.~1"
MARY = "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec"
VALERY = "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c"
JEONG = "8fa8cd9c440be61d0151429310034083132b35975c4bea67fdd74158eb51db14"


def test_what_looks_as_documented_is_read_and_the_rest_is_left_out() -> None:
    read = read_attribution(
        {
            "utm_source": "news letter",
            "gclid": CLICK,
            "wbraid": "not a click id",
            "fbc": "fb.1.1554763741205.IwAR2F4-dbP0l7Mn1IawQQGCINEz7PYXQvwjNwB_qa2ofrHyiLjcbCRxTDMgk",
            "fbp": "fb.1.1596403881668",
            "landing_page": "javascript:alert(1)",
            "ga_session_id": "17'",
            "colour_of_the_button": "green",
        }
    )
    kept = read.model_dump(exclude_none=True)
    assert kept.keys() == {"utm_source", "gclid", "fbc"}
    assert kept["gclid"] == CLICK  # as it is: its letters are told apart


@pytest.mark.parametrize("stored", [None, {}, {"gclid": 7, "fbp": ["x"], "ga_client_id": {}}])
def test_nothing_that_is_stored_is_too_odd_to_be_read(stored: dict[str, object] | None) -> None:
    assert read_attribution(stored).model_dump(exclude_none=True) == {}


@pytest.mark.parametrize("value", ["1847123456.1714089000", "GA1.1.1847123456.1714089000"])
def test_the_client_id_of_google_analytics_is_read_from_its_cookie_too(value: str) -> None:
    assert read_attribution({"ga_client_id": value}).ga_client_id == "1847123456.1714089000"


@pytest.mark.parametrize(
    ("address", "normal"),
    [
        ("cloudy.sanfrancisco+shopping@gmail.com", "cloudysanfrancisco@gmail.com"),
        (" Cloudy.SanFrancisco@GoogleMail.com ", "cloudysanfrancisco@googlemail.com"),
        ("user.name+NYC@Example.com", "user.name+nyc@example.com"),
    ],
)
def test_google_knows_an_address_without_the_dots_that_gmail_ignores(address: str, normal: str) -> None:
    assert google_email(address) == sha256(normal)


def test_google_wants_the_plus_of_a_number_and_meta_does_not() -> None:
    assert google_phone("+18005550100") == "fb4f73a6ec5fdb7077d564cdd22c3554b43ce49168550c3b12c547b78c517b30"
    assert meta_phone("+16505551212") == "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"


def test_meta_keeps_the_dots_of_an_address() -> None:
    expected = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"
    assert meta_email("  John_Smith@gmail.com ") == expected


@pytest.mark.parametrize(
    ("name", "digests"),
    [
        ("Mary Valéry", (MARY, VALERY)),
        ("  MARY  Ann\tVale\u0301ry. ", (MARY, VALERY)),
        ("정 Mary", (JEONG, MARY)),
        ("Mary O'Brien", (MARY, sha256("obrien"))),
    ],
)
def test_meta_wants_names_in_lower_case_and_without_punctuation(name: str, digests: tuple[str, str]) -> None:
    assert meta_names(name) == digests


@pytest.mark.parametrize("name", ["Mary", "", "...  "])
def test_a_name_of_one_part_is_neither_first_nor_last(name: str) -> None:
    assert meta_names(name) is None


def test_a_stand_in_for_a_client_id_is_stable_and_looks_like_one() -> None:
    somebody, else_ = UUID(int=1), UUID(int=2)
    assert ga4_client_id(somebody) == ga4_client_id(somebody) != ga4_client_id(else_)
    assert read_attribution({"ga_client_id": ga4_client_id(somebody)}).ga_client_id is not None
