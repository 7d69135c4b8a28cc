"""The numbers on a product's packaging: their lengths, their check digits, and when two of them mean the same product.

Source: GS1 General Specifications (GTIN), the ISBN Users' Manual, and the identifier types that Amazon's listings take.
"""

from __future__ import annotations

from collections.abc import Mapping

# MINSAN, Italy's number of a medicine, has no check digit of GS1's.
LENGTHS: Mapping[str, frozenset[int]] = {
    "upc": frozenset({12}),
    "ean": frozenset({8, 13}),
    "jan": frozenset({8, 13}),
    "gtin": frozenset({8, 12, 13, 14}),
    "isbn": frozenset({10, 13}),
    "minsan": frozenset({9}),
}
_GTIN_DIGITS = 14
_ISBN_10 = 10
_BOOKLAND = "978"


def is_right(kind: str, number: str) -> bool:
    """Whether *number* has a length of its *kind* and the right check digit. No spaces, no hyphens."""
    if not number.isascii() or len(number) not in LENGTHS[kind]:
        return False
    if len(number) == _ISBN_10:
        return number[:-1].isdigit() and number[-1] == isbn_10_check(number[:-1])
    return number.isdigit() and (kind == "minsan" or number[-1] == gtin_check(number[:-1]))


def common_form(number: str) -> str:
    """The GTIN-14 that UPC, EAN, JAN and ISBN of one product share; *number* itself when it is none of them."""
    if len(number) == _ISBN_10 and number[:-1].isdigit():
        number = f"{_BOOKLAND}{number[:-1]}{gtin_check(_BOOKLAND + number[:-1])}"
    return number.zfill(_GTIN_DIGITS) if number.isdigit() else number


def gtin_check(digits: str) -> str:
    """The check digit that follows *digits*: weights 3 and 1 from the right."""
    weighted = (int(digit) * (1 if place % 2 else 3) for place, digit in enumerate(reversed(digits)))
    return str(-sum(weighted) % 10)


def isbn_10_check(digits: str) -> str:
    """The check character of an ISBN-10, X for ten."""
    remainder = sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=True)) % 11
    return "0123456789X"[-remainder % 11]
