"""Which customer a row of an import refers to."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from api.transfer.matches import each_once, matches
from api.transfer.shapes import CustomerRow


def person(name: str = "Ann", email: str | None = None, phone: str | None = None) -> CustomerRow:
    return CustomerRow.model_construct(name=name, email=email, phone=phone, sms_opt_in=False, consents=[])


def stored(*people: CustomerRow, accounts: bool = False) -> list[dict[str, Any]]:
    """As the database has them, the oldest first."""
    return [
        {"id": id_, "name": one.name, "email": one.email, "phone": one.phone, "has_account": accounts}
        for id_, one in enumerate(people)
    ]


def found(rows: list[CustomerRow], known: list[dict[str, Any]]) -> list[int | None]:
    return [None if one is None else one["id"] for one in matches(rows, known)]


def test_an_e_mail_goes_before_a_phone() -> None:
    known = stored(person(phone="1"), person(email="a", phone="2"))
    assert found([person("Other", email="a", phone="1")], known) == [1]


def test_a_new_e_mail_finds_by_phone_only_somebody_without_one() -> None:
    known = stored(person(email="a", phone="1"), person(phone="1"))
    assert found([person(email="b", phone="1")], known) == [1]
    assert found([person(email="b", phone="1")], known[:1]) == [None]


def test_a_phone_alone_finds_who_has_its_name_and_else_who_has_had_it_longest() -> None:
    known = stored(person("Ann", "a", "1"), person("Bob", None, "1"))
    assert found([person("Bob", None, "1")], known) == [1]
    assert found([person("Cho", None, "1")], known) == [0]


def test_a_family_with_one_phone_stays_as_many_people_as_it_has_rows() -> None:
    family = [person("Ann", "a", "1"), person("Bob", None, "1"), person("Cho", None, "1")]
    assert found(family, []) == [None, None, None]
    assert found(family[::-1], stored(*family)) == [2, 1, 0]
    assert found(family, stored(family[1])) == [None, 0, None]
    assert found(family, stored(family[2])) == [None, None, 0]


def test_with_nothing_but_a_name_one_row_is_one_customer_of_that_name() -> None:
    rows = [person("Walk In"), person("Walk In"), person("Other")]
    assert found(rows, stored(person("Walk In"), person("Walk In", None, "1"))) == [0, None, None]


def test_a_row_that_repeats_another_is_left_out_unless_it_has_nothing_but_a_name() -> None:
    rows = [person(phone="1"), person(phone="1"), person("Bob", phone="1"), person(), person()]
    assert [one.name for one in each_once(rows)] == ["Ann", "Bob", "Ann", "Ann"]


CONTACTS = st.builds(
    person, st.sampled_from("AB"), st.none() | st.sampled_from("abc"), st.none() | st.sampled_from("12")
)


@given(st.lists(CONTACTS, max_size=8), st.lists(CONTACTS, max_size=5), st.booleans())
def test_a_second_run_finds_everybody_of_the_first(
    rows: list[CustomerRow], before: list[CustomerRow], accounts: bool
) -> None:
    rows = list({row.email or object(): row for row in each_once(rows)}.values())
    known = stored(*{row.email or object(): row for row in before}.values(), accounts=accounts)
    first = matches(rows, known)
    for row, one in zip(rows, first, strict=True):
        if one is None:
            known.append(stored(row)[0] | {"id": len(known)})
            continue
        filled = known[one["id"]]
        filled["phone"] = one["phone"] or row.phone
        filled["email"] = one["email"] or (None if one["has_account"] else row.email)
    again = [known[id_] for id_ in found(rows, known) if id_ is not None]
    assert len({one["id"] for one in again}) == len(rows), "everybody, and two rows are never one customer"
    for row, one in zip(rows, again, strict=True):
        assert one["phone"] or not row.phone, "nothing is left to fill in"
        assert one["email"] or one["has_account"] or not row.email
