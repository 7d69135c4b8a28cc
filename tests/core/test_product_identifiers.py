"""Product identifiers: kinds, shapes and check digits."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import ean

from worker.core.issues import Issue
from worker.core.product_identifiers import Identifier, identifier


def read(value: Any, kind: str | None = None) -> Identifier | Issue:
    return identifier(value, field="code", kind=kind)


def fault(value: Any, kind: str | None = None) -> Issue:
    found = read(value, kind)
    assert isinstance(found, Issue), found
    return found


@pytest.mark.requirement("R42", "R48")
@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("B07X4K9Y9Z", "ASIN", ("ASIN", "B07X4K9Y9Z")),
        ("0306406152", "ASIN", ("ASIN", "0306406152")),
        ("123456789012", "UPC", ("UPC", "123456789012")),
        (123456789012, "UPC", ("UPC", "123456789012")),
        ("0 36000 29145 2", "UPC", ("UPC", "036000291452")),
        ("4006381333931", "EAN", ("EAN", "4006381333931")),
        ("73513537", "EAN", ("EAN", "73513537")),
        ("9780306406157", "EAN", ("EAN", "9780306406157")),
        ("978-0-306-40615-7", "ISBN", ("ISBN", "9780306406157")),
        ("0-8044-2957-x", "ISBN", ("ISBN", "080442957X")),
        ("B07X4K9Y9Z", None, ("ASIN", "B07X4K9Y9Z")),
        ("123456789012", None, ("UPC", "123456789012")),
        ("4006381333931", None, ("EAN", "4006381333931")),
        ("9780306406157", None, ("ISBN", "9780306406157")),
        ("0306406152", None, ("ISBN", "0306406152")),
        ("98412345678908", None, ("GTIN", "98412345678908")),
    ],
)
def test_an_identifier_is_read_without_spaces_and_hyphens(value: Any, kind: str | None, expected: tuple[str, str]) -> None:
    assert read(value, kind) == Identifier(*expected)


@pytest.mark.requirement("R48")
@pytest.mark.parametrize(
    ("value", "kind", "right"),
    [
        ("123456789013", "UPC", "2"),
        ("4006381333930", "EAN", "1"),
        ("73513530", "EAN", "7"),
        ("9780306406158", "ISBN", "7"),
        ("0306406153", "ISBN", "2"),
        ("0804429570", "ISBN", "X"),
        ("0306406153", "ASIN", "2"),
        ("98412345678900", None, "8"),
    ],
)
def test_a_wrong_check_digit_is_refused_with_the_computed_one(value: str, kind: str | None, right: str) -> None:
    found = fault(value, kind)

    assert (found.code, found.field, found.value) == ("CHECK_DIGIT_WRONG", "code", value)
    assert found.message.endswith(f"its last must be {right}.")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("B07X4K9Y9", "ASIN"),
        ("C07X4K9Y9Z", "ASIN"),
        ("12345678901", "UPC"),
        ("4006381333931", "UPC"),
        ("123456789012", "EAN"),
        ("4006381333931", "ISBN"),
        ("12345678901O", "UPC"),
        ("١٢٣٤٥٦٧٨٩٠١٢", "UPC"),
        ("", "UPC"),
        (True, "UPC"),
        (["123456789012"], "UPC"),
        ("123456789", None),
        ("<upc/>", None),
    ],
)
def test_what_has_not_the_shape_of_its_kind_is_refused_with_that_shape(value: Any, kind: str | None) -> None:
    found = fault(value, kind)

    assert (found.code, found.field) == ("PRODUCT_ID_INVALID", "code")
    assert kind is None or kind in found.message
    assert found.message.endswith("."), "the shape is told to its end"


@given(st.from_regex(r"[0-9]{11}", fullmatch=True, alphabet=st.characters(codec="ascii")))
def test_of_ten_upcs_that_differ_in_the_last_digit_one_is_right_and_the_others_name_it(digits: str) -> None:
    right = ean.calc_check_digit(digits)

    for last in "0123456789":
        found = read(digits + last, "UPC")
        assert found == Identifier("UPC", digits + last) if last == right else isinstance(found, Issue) and right in found.message[-3:]
