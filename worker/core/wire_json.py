"""JSON from strangers: read exactly, or refused with every fault that it has.

The usual body is decoded once and written once: what is written tells cheaply whether anything can be wrong with it.
Only a suspicious body is parsed a second time, slowly, by a parser that names what it sees.
"""

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

import msgspec
import orjson

from worker.core.issues import Issue, issue
from worker.core.json import JsonValue
from worker.core.json import decode as decode_exactly

DEEPEST: Final = 32
"""Levels of nesting. Our own fields need four; a writer gives up at 254, and what is stored is wrapped again."""

MOST_DIGITS: Final = 40
"""Digits of one number when it is written out without an exponent."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Unreadable(Exception):  # a finding, not an error of ours
    """The bytes are refused. `value` is what a forgiving parser made of them, fit for finding an id and nothing else."""

    def __init__(self, faults: Sequence[Issue], value: JsonValue) -> None:
        super().__init__(", ".join(fault.code for fault in faults))
        self.faults, self.value = tuple(faults), value


def read(text: bytes) -> JsonValue:
    """Return the value of *text*, its numbers exact.

    Raises: Unreadable with every fault: NOT_UTF8, NOT_JSON, DUPLICATE_KEY, TOO_DEEP, NUMBER_OUT_OF_RANGE.
    """
    try:
        value = decode_exactly(text)
        written = orjson.dumps(value, default=_in_range)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ArithmeticError, TypeError) as error:
        faults, forgiven = examine(text)
        raise Unreadable(faults or [_not_json(str(error))], forgiven) from None
    if _is_suspicious(text, written):
        faults, forgiven = examine(text)
        if faults:
            raise Unreadable(faults, forgiven)
    return value


def _in_range(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal) and abs(value.adjusted()) < MOST_DIGITS:
        digits = format(value, "f")
        if _digits_of(digits) <= MOST_DIGITS:
            return orjson.Fragment(digits)
    raise TypeError("a number out of range")


def _is_suspicious(text: bytes, written: bytes) -> bool:
    """Tell whether *text* may hold a key twice, or too many levels. *written*: its decoded value, compact.

    A key that stands twice was dropped with its colon, so fewer colons are written than were read. All others are
    written as they came, but for one that was escaped.
    """
    return (
        text.count(b":") != written.count(b":")
        or (b"\\" in text and b"\\u003" in text)
        or written.count(b"{") + written.count(b"[") > DEEPEST
    )


def examine(text: bytes) -> tuple[list[Issue], JsonValue]:
    """Return all faults of *text*, and the value that a forgiving parser sees; None when it sees none."""
    faults: dict[str, Issue] = {}

    def found(fault: Issue) -> None:
        faults.setdefault(fault.message, fault)

    def members(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
        members = dict(pairs)
        if len(members) < len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    found(issue("DUPLICATE_KEY", value=key))
                    members.pop(key, None)  # which of the two was meant, nobody knows
                seen.add(key)
        return members

    def number(digits: str) -> str:
        if _is_out_of_range(digits):
            found(issue("NUMBER_OUT_OF_RANGE", value=digits, limit=MOST_DIGITS))
        return digits

    def constant(name: str) -> None:
        found(_not_json(f"{name} is not a number in JSON"))

    try:
        characters = text.removeprefix(_BYTE_ORDER_MARK).decode()
    except UnicodeDecodeError:
        found(issue("NOT_UTF8"))
        characters = text.decode(errors="replace")
    if text.startswith(_BYTE_ORDER_MARK):
        found(_not_json("it begins with a byte order mark"))
    try:
        value = json.loads(characters, object_pairs_hook=members, parse_constant=constant, parse_int=number, parse_float=number)
    except RecursionError:
        found(issue("TOO_DEEP", limit=DEEPEST))
        return list(faults.values()), None
    except json.JSONDecodeError as error:
        found(_not_json(f"{error.msg.removesuffix(' at')} at character {error.pos}"))
        return list(faults.values()), None
    for depth, item in walk(value):
        if depth > DEEPEST:
            found(issue("TOO_DEEP", limit=DEEPEST))
        if isinstance(item, str) and _holds_surrogate(item):
            found(_not_json("an escaped surrogate stands alone"))
    return list(faults.values()), value


def _holds_surrogate(text: str) -> bool:
    # A look at each character takes a second for 5 MB, in which no other thread of the worker runs.
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def walk(value: JsonValue) -> Iterator[tuple[int, JsonValue]]:
    """Yield every value and key in *value* with the number of containers around and including it."""
    waiting: list[tuple[int, JsonValue]] = [(0, value)]
    while waiting:
        depth, item = waiting.pop()
        if isinstance(item, dict):
            depth += 1
            waiting += ((depth, part) for pair in item.items() for part in pair)
        elif isinstance(item, list):
            depth += 1
            waiting += ((depth, part) for part in item)
        yield depth, item


def elements(text: bytes) -> list[bytes]:
    """Return the texts of a JSON array's elements, each as it came.

    An element that is not UTF-8, or holds NaN, is still an element: its neighbours do not suffer.
    Raises: Unreadable when nobody can say where the elements begin and end, or when it is not an array.
    """
    try:
        return [bytes(element) for element in _ARRAY.decode(text)]
    except msgspec.ValidationError:
        raise Unreadable([issue("NOT_CLOUDEVENT", reason="a batch is a JSON array.")], None) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return _split(text.decode(errors="surrogateescape"))
    except (json.JSONDecodeError, RecursionError, ValueError):
        faults, forgiven = examine(text)
        raise Unreadable(faults or [_not_json("it is not an array")], forgiven) from None


_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])
_FORGIVING: Final = json.JSONDecoder(parse_int=str, parse_float=str)
_BLANKS: Final = " \t\r\n"


def _split(characters: str) -> list[bytes]:
    def after_blanks(at: int) -> int:
        while characters[at : at + 1] in _BLANKS and at < len(characters):
            at += 1
        return at

    def expect(at: int, wanted: str) -> str:
        if at >= len(characters) or characters[at] not in wanted:
            raise ValueError(f"no {wanted} at {at}")
        return characters[at]

    at = after_blanks(0)
    expect(at, "[")
    parts: list[bytes] = []
    while True:
        start = after_blanks(at + 1)
        _, end = _FORGIVING.raw_decode(characters, start)
        parts.append(characters[start:end].encode(errors="surrogateescape"))
        at = after_blanks(end)
        if expect(at, ",]") == "]":
            break
    if after_blanks(at + 1) != len(characters):
        raise ValueError("trailing characters")
    return parts


def _is_out_of_range(digits: str) -> bool:
    try:
        value = Decimal(digits)
    except ArithmeticError:
        return True
    if digits.lstrip("-").isdigit():
        return not -(2**63) <= int(value) < 2**64 if len(digits) <= MOST_DIGITS else True
    return abs(value.adjusted()) >= MOST_DIGITS or _digits_of(format(value, "f")) > MOST_DIGITS


def _digits_of(written: str) -> int:
    return len(written) - written.count("-") - written.count(".")


def _not_json(reason: str) -> Issue:
    return issue("NOT_JSON", reason=reason.rstrip(".") + ".")
