"""Product identifiers: what names a product to Amazon, its shape and its check digit.

Requirement rows R42, R45, R47, R48. The check digits are computed by python-stdnum.
"""

import re
from collections.abc import Callable, Mapping
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


# Where only the value tells its kind, the first form that fits wins: a book's EAN is its ISBN.
_FORMS: Final = (
    _form("ASIN", "B[0-9A-Z]{9}", None),
    _form("ISBN", "[0-9]{9}[0-9X]", isbn.is_valid),
    _form("ISBN", "97[89][0-9]{10}", isbn.is_valid),
    _form("UPC", "[0-9]{12}", ean.is_valid),
    _form("EAN", "[0-9]{13}", ean.is_valid),
    _form("EAN", "[0-9]{8}", ean.is_valid),
    _form("GTIN", "[0-9]{14}", ean.is_valid),
    # Amazon's ASIN of a book is its ISBN of ten characters.
    _form("ASIN", "[0-9]{9}[0-9X]", isbn.is_valid),
)

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
    if isinstance(value, bool) or not isinstance(value, str | int):
        return issue("PRODUCT_ID_INVALID", field=field, value=value, limit=named, reason="it must be text.")
    compact = text(value).translate(_SEPARATORS).upper()
    form = next((form for form in _FORMS if form.kind == (kind or form.kind) and form.pattern.match(compact)), None)
    if form is None:
        reason = _ANY_SHAPE if kind is None else _SHAPES[kind]
        return issue("PRODUCT_ID_INVALID", field=field, value=value, limit=named, reason=reason)
    if form.is_valid is not None and not form.is_valid(compact):
        right = next(digit for digit in "0123456789X" if form.is_valid(compact[:-1] + digit))
        return issue("CHECK_DIGIT_WRONG", field=field, value=value, limit=form.kind, right=right)
    return Identifier(form.kind, compact)
