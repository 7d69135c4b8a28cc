"""JSON is read exactly, or refused with every fault."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.json import encode
from worker.core.wire_json import DEEPEST, MOST_DIGITS, MOST_FAULTS, Unreadable, examine, read


def faults(text: bytes) -> list[str]:
    with pytest.raises(Unreadable) as refusal:
        read(text)
    return [fault.code for fault in refusal.value.faults]


@pytest.mark.parametrize("literal", ["19.990000000000000001", "0.1", "100.10", "12345678901234567.89", "-0.0", "0.00", "9" * 38 + ".01"])
def test_a_numbers_own_digits_are_kept(literal: str) -> None:
    assert read(b"[%b]" % literal.encode()) == [Decimal(literal)]
    assert encode(read(b"[%b]" % literal.encode()), canonical=True) == b"[%b]" % literal.encode()


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":2}',
        b'{"a" :1,"a":2}',
        b'{"a":1,"b":{"c":[{"d":1,"d":":"}]}}',
        b'{"a":"\\u003a","a":2}',
        b'{"a":"\\u003A\\u003a\\u003a","b":1,"a":2}',
        b'{"a":1,"\\u0061":2}',
        b'{"a:b":":","a:b":":"}',
    ],
)
def test_a_key_twice_is_a_fault_wherever_it_stands(text: bytes) -> None:
    assert faults(text) == ["DUPLICATE_KEY"]


@pytest.mark.parametrize("text", [b'{"a":"\\u003a"}', b'{"a":":","b":{"a":"\\":"}}', b'{"a" : [":", "::"] }', b'{"a\\u003a":1,"a":1}'])
def test_colons_in_texts_are_no_keys(text: bytes) -> None:
    assert read(text) == json.loads(text)


@pytest.mark.parametrize(
    "number",
    ["9" * 400, "0." + "1" * 400, "1e400", "1e-400", "1e99999999999999999999", "-1E+40", "18446744073709551616", "-9223372036854775809"],
)
def test_a_number_that_nobody_can_write_out_is_a_fault(number: str) -> None:
    assert faults(b'{"price":%b}' % number.encode()) == ["NUMBER_OUT_OF_RANGE"]


@pytest.mark.parametrize("number", ["18446744073709551615", "-9223372036854775808", "1e39", "0." + "1" * (MOST_DIGITS - 1)])
def test_large_numbers_below_the_limit_are_read(number: str) -> None:
    assert read(number.encode()) == Decimal(number)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (b"", ["NOT_JSON"]),
        (b"{", ["NOT_JSON"]),
        (b"{'a':1}", ["NOT_JSON"]),
        (b'{"a":01}', ["NOT_JSON"]),
        (b'{"a":1}x', ["NOT_JSON"]),
        (b'{"a":"\x01"}', ["NOT_JSON"]),
        (b"NaN", ["NOT_JSON"]),
        (b'{"a":-Infinity}', ["NOT_JSON"]),
        (b'"\\ud800"', ["NOT_JSON"]),
        (b'"\\udc00\\ud800"', ["NOT_JSON"]),
        (b'\xef\xbb\xbf{"a":1}', ["NOT_JSON"]),
        (b'"\xff"', ["NOT_UTF8"]),
        (b'"\xed\xa0\x80"', ["NOT_UTF8"]),
        (b"[" * 100_000, ["TOO_DEEP", "NOT_JSON"]),
        (b"[" * 100_000 + b"]" * 100_000, ["TOO_DEEP"]),
        (b'{"a":' * 500 + b"1" + b"}" * 500, ["TOO_DEEP"]),
    ],
)
def test_what_is_not_json_is_named(text: bytes, codes: list[str]) -> None:
    assert faults(text) == codes


def test_the_depth_limit_is_exact() -> None:
    assert read(b"[" * DEEPEST + b"]" * DEEPEST)
    assert read(b"[" + b",".join([b"[[]]"] * 100) + b"]")
    assert faults(b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1)) == ["TOO_DEEP"]


def test_all_faults_are_named_at_once() -> None:
    assert sorted(faults(b'{"a":1,"a":1e999,"b":NaN,"c":"\xff","d":"\\ud800"}')) == [
        "DUPLICATE_KEY",
        "NOT_JSON",
        "NOT_JSON",
        "NOT_UTF8",
        "NUMBER_OUT_OF_RANGE",
    ]


@pytest.mark.parametrize(
    ("text", "code", "field", "value"),
    [
        (b'{"data":{"price":1e999}}', "NUMBER_OUT_OF_RANGE", "price", "1e999"),
        (b'{"data":{"price":NaN}}', "NOT_JSON", "price", "NaN"),
        (b'{"data":{"price":-Infinity}}', "NOT_JSON", "price", "-Infinity"),
        (b'{"data":{"price":1,"price":2}}', "DUPLICATE_KEY", "price", "price"),
        (b'{"prices":[1e999]}', "NUMBER_OUT_OF_RANGE", None, "1e999"),
        (b"1e999", "NUMBER_OUT_OF_RANGE", None, "1e999"),
    ],
)
def test_a_fault_names_its_field_and_value(text: bytes, code: str, field: str | None, value: str) -> None:
    with pytest.raises(Unreadable) as refusal:
        read(text)

    assert [(fault.code, fault.field, fault.value) for fault in refusal.value.faults] == [(code, field, value)]


@pytest.mark.parametrize(("number", "limit"), [("18446744073709551616", 18), ("-9223372036854775809", 18), ("0." + "1" * 40, MOST_DIGITS)])
def test_a_number_out_of_range_is_told_a_limit_that_it_breaks(number: str, limit: int) -> None:
    faults, _ = examine(number.encode())

    assert [fault.message for fault in faults] == [f"A number has more than {limit} digits."]


def test_a_text_of_countless_faults_names_some() -> None:
    text = "{" + ",".join(f'"{number}":NaN' for number in range(MOST_FAULTS + 1)) + "}"

    assert len(faults(text.encode())) == MOST_FAULTS


@pytest.mark.parametrize(
    "deep",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'[["}]",{"\\"":[' + b"[" * 10_000 + b"]" * 10_000 + b'],"b":[]}],[' + b"[" * 10_000 + b'"]"' + b"]" * 10_000 + b"]]",
    ],
)
def test_what_is_nested_too_deep_for_any_parser_hides_nothing_else(deep: bytes) -> None:
    with pytest.raises(Unreadable) as refusal:
        read(b'{"before":1e999,"data":%b,"id":"1"}' % deep)

    assert [fault.code for fault in refusal.value.faults] == ["TOO_DEEP", "NUMBER_OUT_OF_RANGE"]
    assert refusal.value.value["id"] == "1"


def test_a_text_without_an_end_in_the_depths_takes_no_time() -> None:
    assert faults(b"[" * 2_000 + b'"' + b'\\"' * 400_000) == ["TOO_DEEP", "NOT_JSON"]


def test_a_key_that_stands_twice_identifies_nothing() -> None:
    _, value = examine(b'{"id":"1","id":"2","source":"erp"}')

    assert value == {"source": "erp"}


NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.decimals(
    allow_nan=False, allow_infinity=False, places=4, min_value=-(10**15), max_value=10**15
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_written_is_read_back_exactly_and_written_the_same(value: object) -> None:
    text = encode(value, canonical=True)

    assert encode(read(text), canonical=True) == text


@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,\\u03a01 ').map(str.encode))
def test_no_bytes_break_the_reader(text: bytes) -> None:
    try:
        value = read(text)
    except Unreadable as unreadable:
        assert unreadable.faults  # noqa: PT017
    else:
        assert json.loads(text, parse_float=Decimal) == value


@given(VALUES, st.text(max_size=3), st.booleans())
def test_a_repeated_key_never_passes(value: object, key: str, as_spaces: bool) -> None:
    try:
        inner = encode(value).decode()
        name = json.dumps(key)
    except TypeError:
        return
    colon = " : " if as_spaces else ":"

    examined, _ = examine(f"{{{name}{colon}{inner},{name}{colon}1}}".encode())

    assert "DUPLICATE_KEY" in [fault.code for fault in examined]
    assert "DUPLICATE_KEY" in faults(f"{{{name}{colon}{inner},{name}{colon}1}}".encode())
