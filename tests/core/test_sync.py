"""What a sync template makes of an inventory message's data."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.connections import ConnectionSettings
from worker.core.facet_values import money_text
from worker.core.facets import Facets, Value
from worker.core.json import JsonObject, decode, encode
from worker.core.marketplaces import MARKETPLACES
from worker.core.rules import Rule
from worker.core.sync import sync_facets

US, JP = MARKETPLACES["ATVPDKIKX0DER"], MARKETPLACES["A1VC38T7YXB528"]
BOTH: Mapping[str, Any] = {"price": {"field": "price"}, "quantity": {"field": "quantity"}, "handling_time": {"field": "handling_time"}}


def facets(data: JsonObject, *, template: Mapping[str, Any] = BOTH, marketplace: Any = US, rules: Any = None, **section: Any) -> Facets:
    settings = ConnectionSettings.model_validate(
        {
            "name": "US",
            "marketplace_id": marketplace.id,
            "selling_partner_id": "A1",
            "sync_listings": {"template": {"quantity": {"field": "quantity"}, **template}, **section},
            "rules": {name: Rule.model_validate(rule) for name, rule in (rules or {}).items()},
        }
    )
    return sync_facets(data, settings, marketplace)


def codes(found: Facets) -> list[tuple[str, str | None]]:
    return [(fault.code, fault.field) for fault in found.faults]


@pytest.mark.requirement("R9", "R52")
def test_price_and_quantity_are_separate_facets() -> None:
    assert facets({"price": "29.99", "quantity": 5}) == Facets({"price": Value("29.99"), "quantity": Value(5)})
    assert facets({"price": "29.99"}) == Facets({"price": Value("29.99")})
    assert facets({"quantity": 5}) == Facets({"quantity": Value(5)})
    assert facets({"quantity": None, "price": None, "sku": "X"}) == Facets({})


def test_the_default_template_does_not_map_the_handling_time() -> None:
    settings = ConnectionSettings(name="US", marketplace_id=US.id, selling_partner_id="A1")

    assert sync_facets({"quantity": 5, "handling_time": 3}, settings, US) == Facets({"quantity": Value(5)})


@pytest.mark.requirement("R60")
@pytest.mark.parametrize("days", [31, -1, "31", 1.5, "soon"])
def test_a_handling_time_that_no_feed_could_carry_is_refused_though_the_template_maps_none(days: object) -> None:
    settings = ConnectionSettings(name="US", marketplace_id=US.id, selling_partner_id="A1")

    assert codes(sync_facets({"quantity": 5, "handling_time": days}, settings, US)) == [("HANDLING_TIME_INVALID", "handling_time")]


# --- prices ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("literal", "written"),
    [
        ('"19.90"', "19.90"),
        ("19.90", "19.90"),
        ("20", "20"),
        ('"0.1"', "0.1"),
        ("0.1", "0.1"),
        ("1E2", "100"),
        ("1.5e1", "15"),
        ("123456789012345.67", "123456789012345.67"),
        ("999999999999999", "999999999999999"),
    ],
)
def test_a_price_keeps_the_digits_that_it_came_with(literal: str, written: str) -> None:
    assert facets(decode(f'{{"price": {literal}}}')).values == {"price": Value(written)}


def test_a_number_of_many_digits_is_not_rounded_on_its_way() -> None:
    found = facets(decode('{"price": 19.99000000000001}'))

    assert codes(found) == [("PRICE_TOO_PRECISE", "price")]
    assert found.faults[0].value == "19.99000000000001"


@pytest.mark.parametrize(
    "literal",
    [
        '"1,99"',
        '" 19.99"',
        '"19.99 "',
        '"1_000"',
        '"NaN"',
        '"1e5"',
        '"+5"',
        '".5"',
        '"5."',
        '"007"',
        '"$5"',
        '"0x10"',
        '"１"',
        "true",
        "[5]",
        '{"a":1}',
        '"9999999999999999"',
        "1e400",
        "1e-400",
        "999999999999999999",
    ],
)
def test_what_is_no_plain_amount_is_refused(literal: str) -> None:
    found = facets(decode(f'{{"price": {literal}}}'))

    assert codes(found) == [("MONEY_INVALID", "price")]
    assert found.values == {}


@pytest.mark.parametrize("literal", ["0", "-1", "-0.0", "0.00", '"-5.00"', '"0"', "0e10"])
def test_a_price_that_is_not_above_zero_is_refused(literal: str) -> None:
    assert codes(facets(decode(f'{{"price": {literal}}}'))) == [("PRICE_NOT_POSITIVE", "price")]


@pytest.mark.parametrize(
    ("price", "marketplace", "good"), [("19.999", US, False), ("19.99", US, True), ("100.5", JP, False), ("100", JP, True)]
)
def test_a_price_has_no_more_decimals_than_its_currency(price: str, marketplace: Any, *, good: bool) -> None:
    assert codes(facets({"price": price}, marketplace=marketplace)) == ([] if good else [("PRICE_TOO_PRECISE", "price")])


@pytest.mark.parametrize(("currency", "good"), [("USD", True), (None, True), ("CAD", False), ("usd", False), ("", False), (5, False)])
def test_a_price_in_another_currency_than_the_marketplaces_is_refused(currency: object, *, good: bool) -> None:
    assert codes(facets({"price": "5", "currency": currency})) == ([] if good else [("CURRENCY_MISMATCH", "currency")])


def test_a_currency_without_a_price_says_nothing() -> None:
    assert facets({"quantity": 1, "currency": "CAD"}) == Facets({"quantity": Value(1)})


@pytest.mark.requirement("R53")
@pytest.mark.parametrize(
    ("spec", "data", "field"),
    [("set_to_empty", {"price": "5"}, "price"), ({"field": "p"}, {"p": ""}, "p"), ({"field": "p"}, {"p": " "}, "p")],
)
def test_an_emptied_price_removes_the_offer_only_where_that_is_allowed(spec: object, data: JsonObject, field: str) -> None:
    assert codes(facets(data, template={"price": spec})) == [("PRICE_REQUIRED", field)]
    assert facets(data, template={"price": spec}, allow_offer_delete=True).values == {"price": Value(cleared=True)}


@pytest.mark.requirement("R36", "R53")
def test_a_constant_price_goes_with_every_message() -> None:
    assert facets({}, template={"price": {"value": Decimal("9.90")}}).values == {"price": Value("9.90")}


# --- quantities --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("literal", "pieces"), [("5", 5), ("5.0", 5), ("5e1", 50), ('"5"', 5), ("0", 0), ("2147483647", 2147483647)])
def test_a_quantity_is_whole(literal: str, pieces: int) -> None:
    found = facets(decode(f'{{"quantity": {literal}}}'))

    assert found == Facets({"quantity": Value(pieces)})
    assert type(found.values["quantity"].value) is int


@pytest.mark.parametrize("literal", ["5.5", '"5.5"', "true", '"many"', '""', '" 5"', "[5]", "2147483648", "1e400", "-0.5", '"1,000"'])
def test_a_quantity_that_is_not_whole_pieces_is_refused(literal: str) -> None:
    assert codes(facets(decode(f'{{"quantity": {literal}}}'))) == [("QUANTITY_INVALID", "quantity")]


@pytest.mark.requirement("R65")
@pytest.mark.parametrize("quantity", [-3, Decimal("-3.0"), "-3"])
def test_a_quantity_below_zero_goes_as_zero_with_a_warning(quantity: object) -> None:
    found = facets({"quantity": quantity})

    assert found.values == {"quantity": Value(0)}
    assert [(warning.code, warning.value) for warning in found.warnings] == [("QUANTITY_NEGATIVE", "-3")]
    assert found.faults == ()


@pytest.mark.requirement("R54")
def test_a_constant_quantity_may_be_text() -> None:
    assert facets({}, template={"quantity": {"value": "5"}}).values == {"quantity": Value(5)}


# --- handling times ----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R60")
@pytest.mark.parametrize(("days", "whole"), [(0, 0), (30, 30), ("2", 2), (Decimal("2.0"), 2)])
def test_a_handling_time_is_a_whole_number_of_days(days: object, whole: int) -> None:
    assert facets({"handling_time": days}) == Facets({"handling_time": Value(whole)})


@pytest.mark.requirement("R60")
@pytest.mark.parametrize("days", [31, -1, Decimal("1.5"), "31", True, "soon", [], "1e1"])
def test_a_handling_time_outside_0_to_30_or_no_number_is_refused(days: object) -> None:
    assert codes(facets({"handling_time": days})) == [("HANDLING_TIME_INVALID", "handling_time")]


@pytest.mark.requirement("R55", "R56", "R57", "R58")
@pytest.mark.parametrize(
    ("spec", "data", "expected"),
    [
        ("dont_map", {"handling_time": 3}, {}),
        ({"field": "handling_time"}, {"handling_time": 3}, {"handling_time": Value(3)}),
        ({"field": "handling_time"}, {"handling_time": ""}, {"handling_time": Value(cleared=True)}),
        ({"field": "handling_time"}, {"handling_time": None}, {}),
        ({"field": "handling_time"}, {}, {}),
        ("set_to_empty", {"handling_time": 3}, {"handling_time": Value(cleared=True)}),
        ({"value": 2}, {}, {"handling_time": Value(2)}),
    ],
)
def test_not_mapped_blank_and_emptied_handling_times_differ(spec: object, data: JsonObject, expected: Mapping[str, Value]) -> None:
    assert facets(data, template={"handling_time": spec}) == Facets(expected)


# --- the message as a whole --------------------------------------------------------------------------------------------------


def test_every_fault_of_a_message_is_told_at_once() -> None:
    found = facets({"price": "-1.999", "currency": "CAD", "quantity": Decimal("5.5"), "handling_time": 31})

    assert sorted(codes(found)) == [
        ("CURRENCY_MISMATCH", "currency"),
        ("HANDLING_TIME_INVALID", "handling_time"),
        ("PRICE_NOT_POSITIVE", "price"),
        ("PRICE_TOO_PRECISE", "price"),
        ("QUANTITY_INVALID", "quantity"),
    ]
    assert all(fault.remedy for fault in found.faults)


def test_a_good_facet_beside_a_bad_one_does_not_hide_the_fault() -> None:
    found = facets({"price": "5", "quantity": "many"})

    assert found.values == {"price": Value("5")}
    assert codes(found) == [("QUANTITY_INVALID", "quantity")]


def test_a_further_target_is_a_facet_of_amazons_attribute() -> None:
    template = {"condition_note": {"field": "note"}, "list_price": "set_to_empty", "brand": "dont_map"}

    assert facets({"note": {"any": ["json"]}}, template=template).values == {
        "condition_note": Value({"any": ["json"]}),
        "list_price": Value(cleared=True),
    }


@pytest.mark.requirement("R112")
def test_a_key_that_its_mapping_set_does_not_have_makes_the_message_invalid() -> None:
    settings = ConnectionSettings.model_validate(
        {
            "name": "US",
            "marketplace_id": US.id,
            "selling_partner_id": "A1",
            "sync_listings": {
                "template": {"quantity": {"field": "quantity"}, "condition_type": {"mapping_set": "m", "field": "condition"}}
            },
            "mapping_sets": {"m": {"New": "new_new"}},
        }
    )

    assert codes(sync_facets({"condition": "new", "quantity": 1}, settings, US)) == [("MAPPING_KEY_UNKNOWN", "condition")]


@pytest.mark.requirement("R39", "R53", "R54", "R55")
def test_a_rule_replaces_what_a_target_gets() -> None:
    rules = {
        "R": {
            "name": "R",
            "when": [{"field": "clearance", "equals": True}],
            "then": [{"set": "price", "value": 1}, {"set": "quantity", "field": "rest"}, {"set": "handling_time", "set_to_empty": True}],
        }
    }
    template = {name: {"field": name, "rules": ["R"]} for name in ("price", "quantity", "handling_time")}

    ruled = facets({"clearance": True, "price": "5", "quantity": 9, "rest": 2}, template=template, rules=rules)
    plain = facets({"clearance": False, "price": "5", "quantity": 9, "rest": 2}, template=template, rules=rules)

    assert ruled.values == {"price": Value("1"), "quantity": Value(2), "handling_time": Value(cleared=True)}
    assert plain.values == {"price": Value("5"), "quantity": Value(9)}


# --- properties --------------------------------------------------------------------------------------------------------------

amounts = st.decimals(min_value="0.01", max_value="999999999999.99", places=2, allow_nan=False, allow_infinity=False)


@given(amounts)
def test_a_price_is_the_same_number_as_text_and_as_json_number_to_the_last_digit(amount: Decimal) -> None:
    text = format(amount, "f")

    assert facets({"price": text}).values == {"price": Value(text)}
    assert facets(decode(f'{{"price": {text}}}')).values == {"price": Value(text)}


@given(st.text(max_size=12) | st.decimals() | st.integers() | st.floats() | st.booleans() | st.none())
def test_an_amount_is_either_refused_or_a_json_number_of_the_same_value(value: object) -> None:
    text = money_text(value)

    if text is not None:
        assert isinstance(value, (str, int, Decimal))
        number = decode(text)
        assert Decimal(number) == Decimal(value)
        assert encode(number) == text.encode() or text in {"-0", "0"}


@given(
    st.dictionaries(
        st.sampled_from(["price", "quantity", "handling_time", "currency"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.decimals(allow_nan=False, allow_infinity=False)
        | st.text(max_size=5)
        | st.lists(st.integers(), max_size=2),
    )
)
def test_a_message_makes_values_or_faults_and_never_an_exception(data: dict[str, Any]) -> None:
    found = facets(data)

    said = {name for name in ("price", "quantity", "handling_time") if data.get(name) is not None}
    assert found.values.keys() <= said
    assert found.faults or found.values.keys() == said
    assert facets(data) == found
