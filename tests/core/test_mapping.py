"""The mapping engine: every option, every row of the tables, exactness of look-ups."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from worker.core import targets
from worker.core.connections import ConnectionSettings
from worker.core.issues import Issue
from worker.core.json import JsonObject, decode, encode
from worker.core.mapping import BUILT_IN_MAPPING_SETS, Absent, Found, MappingSet, Result, resolve
from worker.core.rules import BUILT_IN_RULES, Rule
from worker.core.targets import Spec, TemplateKind, Way

SETS: Mapping[str, MappingSet] = {**BUILT_IN_MAPPING_SETS, "colours": {"Red": "R", "5": "five", "true": "yes"}}


def resolved(
    spec: object,
    data: JsonObject,
    *,
    target: str = "note",
    kind: TemplateKind = TemplateKind.PUBLISH,
    rules: Mapping[str, Rule] | None = None,
) -> Result:
    return resolve(kind, target, Spec.model_validate(spec), data, rules={**BUILT_IN_RULES, **(rules or {})}, mapping_sets=SETS)


@pytest.mark.requirement("R33")
def test_dont_map_leaves_the_target_out() -> None:
    assert resolved("dont_map", {"note": "x"}) is Absent.NOT_MAPPED


@pytest.mark.requirement("R34")
def test_set_to_empty_is_not_the_same_as_dont_map() -> None:
    assert resolved("set_to_empty", {"note": "x"}) is Absent.EMPTIED


@pytest.mark.requirement("R35")
def test_a_field_gives_the_source_fields_value() -> None:
    assert resolved({"field": "title"}, {"title": "Blue Widget"}) == Found("Blue Widget", "title")


@pytest.mark.requirement("R35")
@pytest.mark.parametrize("data", [{}, {"title": None}])
def test_a_field_that_is_missing_or_null_is_not_said(data: JsonObject) -> None:
    assert resolved({"field": "title"}, data) is Absent.NOT_SAID


@pytest.mark.parametrize("value", ["", False, 0, [], {}])
def test_an_empty_value_is_said(value: object) -> None:
    assert resolved({"field": "title"}, {"title": value}) == Found(value, "title")


@pytest.mark.requirement("R36")
@pytest.mark.parametrize("value", ["fixed", 5, Decimal("19.90"), False, [{"a": 1}]])
def test_a_value_is_a_constant(value: object) -> None:
    assert resolved({"value": value}, {}) == Found(value, "note")


@pytest.mark.requirement("R37")
@pytest.mark.parametrize(("key", "expected"), [("Red", "R"), (5, "five"), (Decimal(5), "five"), (True, "yes")])
def test_a_mapping_set_is_an_exact_look_up(key: object, expected: str) -> None:
    assert resolved({"mapping_set": "colours", "field": "colour"}, {"colour": key}) == Found(expected, "colour")


@pytest.mark.requirement("R6", "R37", "R112")
@pytest.mark.parametrize("key", ["red", "RED", " Red", "Red ", "R ed"])
def test_a_key_that_differs_only_by_case_or_spacing_is_a_fault_that_names_the_near_miss(key: str) -> None:
    fault = resolved({"mapping_set": "colours", "field": "colour"}, {"colour": key})

    assert isinstance(fault, Issue)
    assert (fault.code, fault.field, fault.value) == ("MAPPING_KEY_UNKNOWN", "colour", key)
    assert "'Red'" in fault.message


@pytest.mark.requirement("R112")
def test_a_key_that_nothing_resembles_is_a_fault_without_a_hint() -> None:
    fault = resolved({"mapping_set": "colours", "field": "colour"}, {"colour": "Green"})

    assert isinstance(fault, Issue)
    assert fault.message == "The mapping set colours has no key Green."


def test_a_looked_up_field_that_is_missing_is_not_said() -> None:
    assert resolved({"mapping_set": "colours", "field": "colour"}, {}) is Absent.NOT_SAID


@pytest.mark.requirement("R44")
@pytest.mark.parametrize(
    ("name", "word"),
    [("New", "new_new"), ("Used - Like New", "used_like_new"), ("Refurbished", "refurbished_refurbished"), ("used_good", "used_good")],
)
def test_amazons_condition_names_are_built_in(name: str, word: str) -> None:
    assert resolved({"mapping_set": "conditions", "field": "condition"}, {"condition": name}) == Found(word, "condition")


@pytest.mark.requirement("R38")
@pytest.mark.parametrize("option", ["ASIN", "ISBN", "UPC", "EAN"])
def test_an_option_of_product_id_names_the_kind_and_takes_the_field_of_that_name(option: str) -> None:
    field = option.lower()

    assert resolved({"option": option}, {field: "0123"}, target="product_id") == Found("0123", field, option)


@pytest.mark.requirement("R38")
@pytest.mark.parametrize(("option", "days"), [("3-5 Business Days", 5), ("4-14 Business Days", 14)])
def test_an_option_of_quantity_stands_for_days(option: str, days: int) -> None:
    assert resolved({"option": option}, {"quantity": 3}, target="quantity") == Found(days, "quantity", option)


@pytest.mark.requirement("R45", "R47")
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"asin": "", "upc": "123456789012"}, Found("123456789012", "upc", "UPC")),
        ({"upc": "123456789012"}, Found("123456789012", "upc", "UPC")),
        ({"asin": None, "upc": "123456789012"}, Found("123456789012", "upc", "UPC")),
        ({"asin": "B07X4K9Y9Z", "upc": "123456789012"}, Found("B07X4K9Y9Z", "asin", "ASIN")),
        ({}, Absent.NOT_SAID),
    ],
)
def test_if_no_asin_use_upc(data: JsonObject, expected: Result) -> None:
    assert resolved({"option": "ASIN", "rules": ["If no ASIN use UPC"]}, data, target="product_id") == expected


@pytest.mark.requirement("R45")
def test_a_rule_may_give_an_option_a_constant_value() -> None:
    rule = Rule.model_validate(
        {"name": "R", "when": [{"field": "asin", "is": "empty"}], "then": [{"set": "product_id", "option": "UPC", "value": "123456789012"}]}
    )

    found = resolved({"option": "ASIN", "rules": ["R"]}, {}, target="product_id", rules={"R": rule})

    assert found == Found("123456789012", "product_id", "UPC")


@pytest.mark.requirement("R39")
def test_the_first_rule_that_holds_wins() -> None:
    rules = {
        name: Rule.model_validate({"name": name, "when": [{"field": "n", "greater_than": limit}], "then": [{"set": "note", "value": name}]})
        for name, limit in {"high": 10, "low": 1}.items()
    }
    spec = {"field": "n", "rules": ["high", "low"]}

    assert [resolved(spec, {"n": n}, rules=rules) for n in (11, 5, 1)] == [Found("high", "note"), Found("low", "note"), Found(1, "n")]


def test_a_rule_says_nothing_of_targets_that_do_not_list_it() -> None:
    rule = Rule.model_validate(
        {"name": "R", "when": [{"field": "x", "is": "empty"}], "then": [{"set": "note", "value": "a"}, {"set": "title", "value": "b"}]}
    )

    assert resolved({"field": "t", "rules": ["R"]}, {"t": "t"}, target="title", rules={"R": rule}) == Found("b", "title")
    assert resolved({"field": "t"}, {"t": "t"}, target="title", rules={"R": rule}) == Found("t", "t")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"order": {"recipient": {"city": "Austin"}}}, Found("Austin", "order.recipient.city")),
        ({"order.recipient.city": "Dallas", "order": {"recipient": {"city": "Austin"}}}, Found("Dallas", "order.recipient.city")),
        ({"order": {"recipient": "nobody"}}, Absent.NOT_SAID),
        ({"order": [1]}, Absent.NOT_SAID),
        ({"order.recipient.city": None, "order": {"recipient": {"city": "Austin"}}}, Absent.NOT_SAID),
    ],
)
def test_a_dotted_name_goes_into_objects_and_an_exact_name_goes_before(data: JsonObject, expected: Result) -> None:
    assert resolved({"field": "order.recipient.city"}, data) == expected


# --- the tables --------------------------------------------------------------------------------------------------------------

SPECS: Mapping[Way, Any] = {
    Way.DONT_MAP: "dont_map",
    Way.SET_TO_EMPTY: "set_to_empty",
    Way.FIELD: {"field": "f"},
    Way.VALUE: {"value": "v"},
    Way.MAPPING_SET: {"mapping_set": "m", "field": "f"},
}
ALL, D, E, F, V, M = frozenset(SPECS), Way.DONT_MAP, Way.SET_TO_EMPTY, Way.FIELD, Way.VALUE, Way.MAPPING_SET
PUBLISH, SYNC, ORDERS, SHIPMENTS = TemplateKind

# Written by hand from the mission's tables: what each target allows, rules aside, which all allow.
TABLE: tuple[tuple[TemplateKind, str, frozenset[Way], tuple[str, ...]], ...] = (
    (PUBLISH, "sku", ALL, ()),
    (PUBLISH, "title", ALL - {D, E}, ()),
    (PUBLISH, "product_id", ALL - {V, M}, ("ASIN", "ISBN", "UPC", "EAN")),
    (PUBLISH, "quantity", ALL - {V, M}, ("3-5 Business Days", "4-14 Business Days")),
    (PUBLISH, "item_condition", ALL, ()),
    (PUBLISH, "condition_note", ALL, ()),
    (SYNC, "price", ALL - {M}, ()),
    (SYNC, "quantity", frozenset({F, V}), ()),
    (SYNC, "handling_time", ALL - {M}, ()),
    (SYNC, "condition_note", ALL, ()),
    (ORDERS, "reference_number", frozenset({F, V}), ()),
    (ORDERS, "shipping_address.address_line_1", ALL, ()),
    (ORDERS, "shipping_address.city", ALL, ()),
    (ORDERS, "billing_address.address_line_1", ALL, ()),
    (ORDERS, "billing_address.city", ALL, ()),
    (ORDERS, "invoice.total", ALL - {M}, ()),
    (ORDERS, "ordered_on", frozenset({F, V, M}), ()),
    (ORDERS, "anything.else", ALL, ()),
    (SHIPMENTS, "carrier", frozenset({F, V, M}), ()),
    (SHIPMENTS, "method", frozenset({F, V, M}), ()),
    (SHIPMENTS, "tracking_number", frozenset({F}), ()),
)


def is_allowed(kind: TemplateKind, target: str, spec: object) -> bool:
    try:
        targets.check(kind, target, Spec.model_validate(spec))
    except PydanticCustomError:
        return False
    return True


@pytest.mark.requirement("R40", "R41", "R42", "R43", "R44", "R53", "R54", "R55", "R72", "R73", "R74", "R75", "R82", "R83", "R84")
@pytest.mark.parametrize(("kind", "target", "ways", "options"), TABLE)
def test_every_target_allows_its_options_and_refuses_the_others(
    kind: TemplateKind, target: str, ways: frozenset[Way], options: tuple[str, ...]
) -> None:
    assert {way for way, spec in SPECS.items() if is_allowed(kind, target, spec)} == ways
    assert {way for way, spec in SPECS.items() if isinstance(spec, dict) and is_allowed(kind, target, {**spec, "rules": ["R"]})} == ways - {
        D,
        E,
    }
    assert all(is_allowed(kind, target, {"option": option}) for option in options)
    assert not is_allowed(kind, target, {"option": "GTIN"})


def test_every_row_of_the_tables_stands_in_this_test() -> None:
    assert {(kind, name) for kind in TemplateKind for name in targets.names(kind)} <= {(kind, name) for kind, name, *_ in TABLE}


@pytest.mark.parametrize(
    "spec",
    [
        "price",
        {},
        {"field": "f", "value": 1},
        {"mapping_set": "m"},
        {"mapping_set": "m", "value": 1},
        {"mapping_set": "m", "field": "f", "option": "ASIN"},
        {"dont_map": True, "field": "f"},
        {"dont_map": False},
        {"value": None},
        {"field": ""},
        {"feild": "f"},
        {"option": "ASIN", "field": "f", "value": 1},
        5,
        None,
    ],
)
def test_a_mapping_that_says_nothing_or_two_things_is_refused(spec: object) -> None:
    with pytest.raises(ValidationError):
        Spec.model_validate(spec)


def test_rules_may_stand_beside_dont_map_and_set_to_empty() -> None:
    assert Spec.model_validate({"dont_map": True, "rules": ["R"]}).way is Way.DONT_MAP
    assert Spec.model_validate({"rules": ["R"]}).way is Way.DONT_MAP
    assert Spec.model_validate({"set_to_empty": True, "rules": ["R"]}).way is Way.SET_TO_EMPTY


# --- properties --------------------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "a.b"]), inner, max_size=3),
    max_leaves=6,
)
specs = st.one_of(
    st.sampled_from(list(SPECS.values())[:4]),
    st.builds(lambda field: {"field": field}, st.sampled_from(["a", "a.b", "a.b.c"])),
    st.builds(lambda field: {"mapping_set": "colours", "field": field, "rules": ["R"]}, st.sampled_from(["a", "a.b"])),
)
EVERY_TEST = Rule.model_validate(
    {
        "name": "R",
        "when": [
            {"field": "a.b", "not_equals": 3, "matches": "^[a-z]*$", "length": 2},
            {"field": "a", "less_than": 5, "greater_than": -5, "in": ["x", 1]},
        ],
        "then": [{"set": "note", "value": "ruled"}],
    }
)


@given(spec=specs, data=st.dictionaries(st.sampled_from(["a", "b", "a.b"]), json_values, max_size=3))
def test_mapping_is_pure_and_never_raises(spec: object, data: dict[str, Any]) -> None:
    before = encode(data, canonical=True)

    first = resolved(spec, data, rules={"R": EVERY_TEST})

    assert resolved(spec, data, rules={"R": EVERY_TEST}) == first
    assert encode(data, canonical=True) == before


@pytest.mark.requirement("R46")
def test_settings_survive_the_way_through_the_database() -> None:
    settings = ConnectionSettings.model_validate(
        {
            "name": "US",
            "marketplace_id": "ATVPDKIKX0DER",
            "selling_partner_id": "A1",
            "sync_listings": {
                "template": {"quantity": {"field": "q"}, "price": {"value": Decimal("19.90"), "rules": ["R"]}, "note": "set_to_empty"}
            },
            "rules": {"R": EVERY_TEST.model_dump(by_alias=True)},
            "mapping_sets": {"colours": dict(SETS["colours"])},
        }
    )

    again = ConnectionSettings.from_json(settings.to_json())

    assert again == settings
    assert again.to_json() == settings.to_json()
    assert decode(settings.to_json())["sync_listings"]["template"]["note"] == "set_to_empty"
