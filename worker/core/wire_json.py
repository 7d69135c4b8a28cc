"""JSON from strangers: read exactly, or refused with every fault that it has.

The usual body is decoded once and written once: what is written tells cheaply whether anything can be wrong with it.
Only a suspicious body is parsed a second time, slowly, by a parser that names what it sees.
"""

import json
import re
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

SURE_DIGITS: Final = 18
"""A whole number beyond 64 bits, which is refused, has more."""

MOST_FAULTS: Final = 100
"""Faults that are told of one text; one of 1 MiB could hold 100,000."""

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
    written as they came, but for one that was escaped. What is written just as it came lost nothing.
    """
    if written.count(b"{") + written.count(b"[") > DEEPEST:
        return True
    return text != written and (text.count(b":") != written.count(b":") or (b"\\" in text and b"\\u003" in text))


def examine(text: bytes) -> tuple[list[Issue], JsonValue]:
    """Return the faults of *text*, at most `MOST_FAULTS`, and the value that a forgiving parser sees; None when it sees none."""
    faults: dict[tuple[str, str | None], Issue] = {}

    def found(fault: Issue) -> None:
        if len(faults) < MOST_FAULTS:
            faults.setdefault((fault.message, fault.field), fault)

    def members(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
        members: dict[str, JsonValue] = {}
        twice: set[str] = set()
        for key, value in pairs:
            if key in members:
                found(issue("DUPLICATE_KEY", field=key, value=key))
                twice.add(key)
            if isinstance(value, _NoNumber):
                found(value.fault(key))
                value = None  # noqa: PLW2901  # told; and no id either
            members[key] = value
        for key in twice:
            del members[key]  # which of the two was meant, nobody knows
        return members

    def parsed(characters: str) -> JsonValue:
        return json.loads(characters, object_pairs_hook=members, parse_constant=_NoNumber, parse_int=_number, parse_float=_number)

    try:
        characters = text.removeprefix(_BYTE_ORDER_MARK).decode()
    except UnicodeDecodeError:
        found(issue("NOT_UTF8"))
        characters = text.decode(errors="replace")
    if text.startswith(_BYTE_ORDER_MARK):
        found(_not_json("it begins with a byte order mark"))
    try:
        try:
            value = parsed(characters)
        except RecursionError:
            found(issue("TOO_DEEP", limit=DEEPEST))
            value = parsed(_without_depths(characters))
    except json.JSONDecodeError as error:
        place = f" at character {error.pos}" if error.doc is characters else ""
        found(_not_json(f"{error.msg.removesuffix(' at')}{place}"))
        return list(faults.values()), None
    for depth, item in walk(value):
        if depth > DEEPEST:
            found(issue("TOO_DEEP", limit=DEEPEST))
        if isinstance(item, _NoNumber):
            found(item.fault(None))
        elif isinstance(item, str) and _holds_surrogate(item):
            found(_not_json("an escaped surrogate stands alone"))
    return list(faults.values()), value


class _NoNumber(str):
    """The text of what stands where a number may stand and is none that is taken: NaN, or too many digits."""

    __slots__ = ()

    def fault(self, field: str | None) -> Issue:
        if self.lstrip("-")[0].isdigit():
            most = SURE_DIGITS if self.lstrip("-").isdigit() else MOST_DIGITS
            return issue("NUMBER_OUT_OF_RANGE", field=field, value=str(self), limit=most)
        return issue("NOT_JSON", field=field, value=str(self), reason=f"{self} is not a number in JSON.")


def _number(digits: str) -> str:
    return _NoNumber(digits) if _is_out_of_range(digits) else digits


_MARK: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]+|[\]}]+|,', re.DOTALL)
"""What tells the structure of JSON whose values nobody has looked at: texts, runs of brackets, commas.

A text without an end goes on to the last character: looked for anew at each of its quotes, it would take hours.
"""


def _without_depths(characters: str) -> str:
    """Return JSON without what it nests too deep for a parser: of the first container below `DEEPEST` only the brackets stay."""
    kept: list[str] = []
    depth = start = 0
    for mark in _MARK.finditer(characters):
        count = len(mark[0])
        if mark[0][0] in "[{":
            if depth <= DEEPEST < depth + count:
                kept.append(characters[start : mark.start() + DEEPEST + 1 - depth])
            depth += count
        elif mark[0][0] in "]}":
            if depth - count <= DEEPEST < depth:
                start = mark.start() + depth - DEEPEST - 1
            depth -= count
    return "".join((*kept, characters[start:])) if depth <= DEEPEST else "".join(kept)


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

    Whatever is wrong within an element, it is still an element: its neighbours do not suffer.
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
    except ValueError:
        faults, forgiven = examine(text)
        raise Unreadable(faults or [_not_json("it is not an array")], forgiven) from None


_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])
_BLANKS: Final = " \t\r\n"


def _split(characters: str) -> list[bytes]:
    """Part an array at the commas that stand in no other bracket. Raises ValueError when it has no end, or lacks an element."""
    parts: list[str] = []
    depth = start = 0
    for mark in _MARK.finditer(characters):
        first, count = mark[0][0], len(mark[0])
        if depth == 0 and (first != "[" or characters[: mark.start()].strip(_BLANKS)):
            raise ValueError("it does not begin as an array")
        if first in "[{":
            start = start or mark.start() + 1
            depth += count
        elif first in "]}":
            depth -= count
        if (first == "," and depth == 1) or depth <= 0:
            parts.append(characters[start : mark.end() - 1].strip(_BLANKS))
            start = mark.end()
        if depth <= 0:
            break
    if depth or not all(parts) or characters[start:].strip(_BLANKS):
        raise ValueError("it does not end as an array")
    return [part.encode(errors="surrogateescape") for part in parts]


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
