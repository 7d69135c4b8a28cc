"""Product identifiers: what names a product to Amazon, its shape and its check digit.

Requirement rows R42, R45, R47, R48. The check digits are computed by python-stdnum.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from stdnum import ean, isbn

from worker.core.issues import Issue, issue
from worker.core.json import JsonValue
from worker.core.rules import text

ASIN: Final = "ASIN"


class Identifier(NamedTuple):
    """`kind`: ASIN, UPC, EAN, ISBN or GTIN. `value`: without spaces and hyphens, its letters in upper case."""

    kind: str
    value: str


class _Form(NamedTuple):
    """One form of a kind. `is_valid` None: there is no check digit."""

    kind: str
    pattern: re.Pattern[str]
    is_valid: Callable[[str], bool] | None


def _form(kind: str, pattern: str, is_valid: Callable[[str], bool] | None) -> _Form:
    return _Form(kind, re.compile(pattern + r"\Z", re.ASCII), is_valid)


def _has_check_digit(digits: str) -> bool:
    # Not ean.is_valid: it cleans and looks at the shape again, which takes four times as long.
    right: str = ean.calc_check_digit(digits[:-1])
    return right == digits[-1]


# Where only the value tells its kind, the first form that fits wins: a book's EAN is its ISBN.
_FORMS: Final = (
    _form("ASIN", "B[0-9A-Z]{9}", None),
    _form("ISBN", "[0-9]{9}[0-9X]", isbn.is_valid),
    _form("ISBN", "97[89][0-9]{10}", _has_check_digit),
    _form("UPC", "[0-9]{12}", _has_check_digit),
    _form("EAN", "[0-9]{13}", _has_check_digit),
    _form("EAN", "[0-9]{8}", _has_check_digit),
    _form("GTIN", "[0-9]{14}", _has_check_digit),
    # Amazon's ASIN of a book is its ISBN of ten characters.
    _form("ASIN", "[0-9]{9}[0-9X]", isbn.is_valid),
)

_FORMS_OF: Final[Mapping[str | None, Sequence[_Form]]] = {
    None: _FORMS,
    **{kind: [form for form in _FORMS if form.kind == kind] for kind in {form.kind for form in _FORMS}},
}

_SHAPES: Final[Mapping[str, str]] = {
    "ASIN": "an ASIN has ten characters, and begins with B0 or is a book's ISBN.",
    "UPC": "a UPC has 12 digits.",
    "EAN": "an EAN has 13 or 8 digits.",
    "ISBN": "an ISBN has 13 digits that begin with 978 or 979, or ten of which the last may be X.",
}
_ANY_SHAPE: Final = "it is neither an ASIN nor a UPC, EAN, ISBN or GTIN by its length and letters."

_SEPARATORS: Final = str.maketrans("", "", " -")


def identifier(value: JsonValue, *, field: str, kind: str | None) -> Identifier | Issue:
    """Return the identifier that *value* is, or what is wrong with it.

    *field*: where the message has it. *kind*: ASIN, UPC, EAN or ISBN; None: the value tells.
    """
    named = kind or "product ID"
    if type(value) is not str and type(value) is not int:
        return issue("PRODUCT_ID_INVALID", field=field, value=value, limit=named, reason="it must be text.")
    compact = text(value).upper()
    if not compact.isalnum():
        compact = compact.translate(_SEPARATORS)
    form = next((form for form in _FORMS_OF[kind] if form.pattern.match(compact)), None)
    if form is None:
        reason = _ANY_SHAPE if kind is None else _SHAPES[kind]
        return issue("PRODUCT_ID_INVALID", field=field, value=value, limit=named, reason=reason)
    if form.is_valid is not None and not form.is_valid(compact):
        right = next(digit for digit in "0123456789X" if form.is_valid(compact[:-1] + digit))
        return issue("CHECK_DIGIT_WRONG", field=field, value=value, limit=form.kind, right=right)
    return Identifier(form.kind, compact)
