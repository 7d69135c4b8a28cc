"""Check digits of tracking numbers: from a serial (upper case, no spaces) to the character that must follow it.

Source: the validation rules of the public collection tracking_number_data (schema/tracking).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

_VALUES: Final = bytes(code - ord("0") if chr(code) in "0123456789" else (code - 3) % 10 for code in range(256))
"""What a character counts: a digit itself, a letter its ASCII code less three, modulo ten."""

Check = Callable[[str], str]
"""Returns the check character of a serial."""

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_S10_WEIGHTS: Final = (8, 6, 4, 2, 3, 5, 9, 7)


def mod10(evens: int, odds: int, *, from_the_right: bool = False) -> Check:
    """Return the check that multiplies positions 0, 2, 4 ... by *evens* and the others by *odds*, and fills up to a multiple of 10."""

    def check(serial: str) -> str:
        values = serial.encode("ascii").translate(_VALUES)
        values = values[::-1] if from_the_right else values
        return str(-(sum(values[::2]) * evens + sum(values[1::2]) * odds) % 10)

    return check


def weighted(weights: Sequence[int], modulo: int, then: int) -> Check:
    """Return the check that is the sum of digit by weight, modulo *modulo* and then modulo *then*."""
    return partial(_weighted, weights, modulo, then)


def luhn(serial: str) -> str:
    """Every second digit from the right doubled, beginning with the last, 9 taken off where that is over 9."""
    total = 0
    for at, character in enumerate(reversed(serial)):
        value = int(character) * (1 if at % 2 else 2)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def mod7(serial: str) -> str:
    """The serial as one number, modulo 7."""
    return str(int(serial) % 7)


def s10(serial: str) -> str:
    """The Universal Postal Union's S10: eight weights, modulo 11."""
    rest = sum(int(digit) * weight for digit, weight in zip(serial, _S10_WEIGHTS, strict=True)) % 11
    return {0: "5", 1: "0"}.get(rest) or str(11 - rest)


def mod_37_36(serial: str) -> str:
    """ISO/IEC 7064's hybrid system 37,36, with the digits and then the letters as values 0 to 35."""
    product = 36
    for character in serial:
        total = (product + _ALPHABET.index(character)) % 36 or 36
        product = total * 2 % 37
    return _ALPHABET[(37 - product) % 36]


def prefixed(check: Check, prefix: str) -> Check:
    """Return *check* of a serial to which *prefix* is added unless it begins with it already."""
    return lambda serial: check(serial if serial.startswith(prefix) else prefix + serial)


def _weighted(weights: Sequence[int], modulo: int, then: int, serial: str) -> str:
    return str(sum(int(digit) * weight for digit, weight in zip(serial, weights, strict=True)) % modulo % then)
