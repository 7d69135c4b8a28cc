"""Publishing: what a listing message becomes through its template, to the digit, and every reason to refuse it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import schema.amazon
from worker.core import coalescing, listing_messages
from worker.core.accounts import Account, Seller
from worker.core.coalescing import Arrival, Change, Flight, Key, Open, Said
from worker.core.connections import Connection, ConnectionSettings, from_amazon, to_amazon
from worker.core.facets import HANDLING_TIME, LISTING, PRICE, QUANTITY, Value
from worker.core.feed_document import Listing, Patch, assemble, body, header
from worker.core.feed_formats import FORMATS, offer_of
from worker.core.ids import AccountId, ConnectionId
from worker.core.json import decode, encode
from worker.core.kinds import Kind
from worker.core.mapping import BUILT_IN_MAPPING_SETS
from worker.core.marketplaces import MARKETPLACES
from worker.core.ordering import Version
from worker.core.outcomes import Fate, Outcome, Reason
from worker.core.publishing import Published
from worker.core.rendered import Part
from worker.core.rules import BUILT_IN_RULES, Rule

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
CASES: list[dict[str, Any]] = decode((Path(__file__).parent / "golden" / "publishing.json").read_bytes())

TEMPLATE: Mapping[str, Any] = {
    "sku": {"field": "sku"},
    "title": {"field": "title"},
    "product_id": {"option": "ASIN", "rules": ["If no ASIN use UPC"]},
    "quantity": {"field": "quantity"},
    "item_condition": {"mapping_set": "conditions", "field": "condition"},
    "price": {"field": "price"},
}
MUG: Mapping[str, Any] = {
    "sku": "MUG-1",
    "title": "Mug",
    "asin": "B07X4K9Y9Z",
    "condition": "New",
    "price": "9.90",
    "quantity": 3,
}


def connection(publish: Mapping[str, Any], *, rules: Mapping[str, Rule] = BUILT_IN_RULES, **entry: Any) -> Connection:
    base = {"name": "US", "marketplace_id": "ATVPDKIKX0DER", "selling_partner_id": "A1EXAMPLESELLER", "publish_listings": publish}
    given = ConnectionSettings.model_validate({**base, **entry, "rules": rules, "mapping_sets": BUILT_IN_MAPPING_SETS})
    marketplace = MARKETPLACES[given.marketplace_id]
    account = Account(AccountId(1), "client", given.selling_partner_id, marketplace.region)
    return Connection(ConnectionId(1), "US", False, 1, Seller(ConnectionId(1), account, marketplace.id), marketplace, given)


def mapped(
    template: Mapping[str, Any] | None = None, /, *, without: str | None = None, through: Mapping[str, Any] | None = None, **data: Any
) -> Published:
    """Take the mug through the usual template, with the targets of *template* changed; a field that is None is null."""
    publish = {**(through or {}), "template": {**TEMPLATE, **(template or {})}}
    fields = {name: value for name, value in {**MUG, **data}.items() if name != without}
    us = connection(publish)
    return us.settings.publish_template.publish(fields, us.marketplace)


def codes(published: Published) -> list[tuple[str, str | None]]:
    """The faults, each with its field."""
    return [(fault.code, fault.field) for fault in published.facets.faults]


def listing(published: Published) -> Any:
    assert published.facets.faults == ()
    return published.facets.values[LISTING].value


def change(**facets: Value) -> Change:
    return Change({name: Said(value, 1) for name, value in facets.items()}, {1: Open("feedline.listing.v1", 0.0)})


def rendered(
    through: Connection,
    facets: Mapping[str, Value],
    confirmed: Mapping[str, Value] | None = None,
    *,
    sku: str = "MUG-1",
    product_type: str = "PRODUCT",
    channels: tuple[str, ...] = (),
    said: int | None = None,
) -> Patch:
    about = Listing(sku, product_type, channels)
    patch = listing_messages.render(change(**facets), confirmed or {}, said, about, offer_of(through))
    assert isinstance(patch, Patch)
    return patch


def feed_message(case: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take a golden case from its data to its feed message."""
    rules = {rule["name"]: Rule.model_validate(rule) for rule in case.get("rules", ())}
    through = connection(case["publish_listings"], rules={**BUILT_IN_RULES, **rules}, **case["connection"])
    published = through.settings.publish_template.publish(case["data"], through.marketplace)
    assert published.facets.faults == ()
    prefix = through.settings.sku_prefix
    sku = to_amazon(from_amazon(published.sku or "", prefix), prefix)
    facets = published.facets.values
    lead_time = facets[HANDLING_TIME].value if HANDLING_TIME in facets else None
    return rendered(through, facets, sku=sku, said=lead_time).message


def as_amazon_reads(message: Mapping[str, Any]) -> Any:
    return json.loads(encode(message), parse_float=Decimal)


# --- golden ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case["case"], marks=pytest.mark.requirement(*case["requirements"])) for case in CASES]
)
def test_a_listing_message_becomes_the_golden_feed_message(case: Mapping[str, Any]) -> None:
    assert encode(feed_message(case), canonical=True) == encode(case["becomes"], canonical=True)


@pytest.mark.requirement("R49")
def test_every_golden_feed_message_validates_against_amazons_schema() -> None:
    (folder,) = schema.amazon.__path__
    amazons = jsonschema_rs.validator_for(json.loads((Path(folder) / "listings-feed-schema-v2.json").read_bytes()))

    document = assemble(header("A1EXAMPLESELLER", "en_US"), [body(feed_message(case)) for case in CASES], 1)

    amazons.validate(json.loads(document))


# --- the SKU -----------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R40", "R51")
@pytest.mark.parametrize(
    ("spec", "data"),
    [("set_to_empty", {}), ({"field": "item"}, {"item": " "}), ({"value": " "}, {}), ({"field": "item"}, {"item": ""})],
    ids=["set to empty", "a blank field", "a blank constant", "an empty field"],
)
def test_a_template_that_leaves_no_sku_makes_the_message_invalid(spec: Any, data: Mapping[str, Any]) -> None:
    assert [code for code, _ in codes(mapped({"sku": spec}, **data))] == ["SKU_REQUIRED"]


@pytest.mark.requirement("R40")
def test_a_mapped_sku_is_the_listings_own() -> None:
    assert mapped({"sku": {"field": "item"}}, item="ITEM-7").sku == "ITEM-7"
    assert mapped({"sku": "dont_map"}).sku == "MUG-1"
    assert mapped({"sku": {"field": "item"}}, item=4711).sku == "4711"


def test_a_sku_that_only_a_rule_maps_is_the_messages_own_where_the_rule_does_not_hold() -> None:
    rule = Rule.model_validate({"name": "R", "when": [{"field": "old", "is": "not_empty"}], "then": [{"set": "sku", "field": "old"}]})
    us = connection({"template": {**TEMPLATE, "sku": {"dont_map": True, "rules": ["R"]}}}, rules={**BUILT_IN_RULES, "R": rule})

    def sku(**data: Any) -> str | None:
        return us.settings.publish_template.publish({**MUG, **data}, us.marketplace).sku

    assert (sku(), sku(old="MUG-0")) == ("MUG-1", "MUG-0")


@pytest.mark.requirement("R18")
@pytest.mark.parametrize("center", [{"code": "W1"}, ["W1"], True])
def test_a_fulfillment_center_that_is_no_text_is_refused(center: Any) -> None:
    published = mapped(through={"fulfillment_center_id": {"field": "warehouse.code"}}, warehouse={"code": center})

    assert codes(published) == [("FIELD_INVALID", "warehouse.code")]


@pytest.mark.requirement("R56")
def test_a_handling_time_that_only_a_rule_maps_goes_with_later_quantities() -> None:
    slow = Rule.model_validate({"name": "Slow", "when": [{"field": "slow", "equals": True}], "then": [{"set": HANDLING_TIME, "value": 7}]})
    sync = {"template": {QUANTITY: {"field": QUANTITY}, HANDLING_TIME: {"dont_map": True, "rules": ["Slow"]}}}
    us = connection({}, rules={**BUILT_IN_RULES, "Slow": slow}, fulfillment_channel="AMAZON_NA", sync_listings=sync)

    later = rendered(us, {QUANTITY: Value(5)}, said=7)

    assert later.message["patches"][0]["value"][0]["lead_time_to_ship_max_days"] == 7


def test_a_mapped_sku_with_a_control_character_is_refused() -> None:
    assert codes(mapped({"sku": {"field": "item"}}, item="A\nB")) == [("SKU_INVALID", "item")]


# --- what is missing, wrong, or near -------------------------------------------------------------------------------------------


@pytest.mark.requirement("R35")
@pytest.mark.parametrize("field", ["title", "quantity", "condition", "price"])
@pytest.mark.parametrize("null", [False, True])
def test_a_field_that_is_missing_or_null_is_named(field: str, null: bool) -> None:
    published = mapped(**{field: None}) if null else mapped(without=field)

    assert codes(published) == [("FIELD_MISSING", field)]


@pytest.mark.requirement("R35", "R45")
def test_without_asin_and_upc_the_upc_is_missing() -> None:
    assert codes(mapped(without="asin")) == [("FIELD_MISSING", "upc")]
    assert codes(mapped(asin="", upc=" ")) == [("FIELD_MISSING", "upc")]


def test_every_fault_of_a_listing_is_told_at_once() -> None:
    published = mapped(
        {"sku": "set_to_empty"}, title="", asin=None, upc="123456789013", price="1.999", currency="EUR", quantity="few", condition="new"
    )

    assert {code for code, _ in codes(published)} == {
        "SKU_REQUIRED",
        "FIELD_INVALID",
        "CHECK_DIGIT_WRONG",
        "CURRENCY_MISMATCH",
        "PRICE_TOO_PRECISE",
        "QUANTITY_INVALID",
        "MAPPING_KEY_UNKNOWN",
    }


@pytest.mark.requirement("R37", "R112")
def test_a_key_that_misses_its_mapping_set_by_case_or_spacing_is_told_the_near_one() -> None:
    (fault,) = mapped(condition="used -  like new").facets.faults

    assert (fault.code, fault.field) == ("MAPPING_KEY_UNKNOWN", "condition")
    assert "'Used - Like New' differs only by case or spacing" in fault.message


@pytest.mark.requirement("R44")
@pytest.mark.parametrize(("said", "word"), [("New", "new_new"), ("used_like_new", "used_like_new"), ("Used - Good", "used_good")])
def test_a_condition_may_come_in_amazons_words_or_as_seller_central_shows_it(said: str, word: str) -> None:
    document = listing(mapped({"item_condition": {"field": "condition"}}, condition=said))

    assert document["attributes"]["condition_type"] == [{"marketplace_id": "ATVPDKIKX0DER", "value": word}]


def test_a_condition_that_amazon_does_not_have_is_refused_with_the_near_one() -> None:
    (fault,) = mapped({"item_condition": {"field": "condition"}}, condition="USED_GOOD").facets.faults

    assert (fault.code, fault.field) == ("CONDITION_UNKNOWN", "condition")
    assert "'used_good' differs only by case or spacing" in fault.message


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"price": "9.999"}, ("PRICE_TOO_PRECISE", "price")),
        ({"price": "0"}, ("PRICE_NOT_POSITIVE", "price")),
        ({"price": "nine"}, ("MONEY_INVALID", "price")),
        ({"price": ""}, ("PRICE_REQUIRED", "price")),
        ({"currency": "EUR"}, ("CURRENCY_MISMATCH", "currency")),
        ({"quantity": "2.5"}, ("QUANTITY_INVALID", "quantity")),
        ({"title": ["a"]}, ("FIELD_INVALID", "title")),
        ({"product_type": {"a": 1}}, ("FIELD_INVALID", "product_type")),
        ({"asin": "not one"}, ("PRODUCT_ID_INVALID", "asin")),
    ],
)
def test_what_is_wrong_is_refused_as_for_inventory_messages(data: Mapping[str, Any], expected: tuple[str, str]) -> None:
    assert codes(mapped(**data)) == [expected]


def test_a_handling_time_beyond_thirty_days_is_refused() -> None:
    assert codes(mapped({"handling_time": {"field": "days"}}, days=31)) == [("HANDLING_TIME_INVALID", "days")]
    assert codes(mapped(handling_time=31)) == [("HANDLING_TIME_INVALID", "handling_time")], "also where the template maps none"


def test_a_quantity_below_zero_goes_as_zero_with_a_warning() -> None:
    facets = mapped(quantity=-2).facets

    assert facets.values[QUANTITY] == Value(0)
    assert [(warning.code, warning.value) for warning in facets.warnings] == [("QUANTITY_NEGATIVE", "-2")]


@pytest.mark.requirement("R41", "R49")
@pytest.mark.parametrize("name", ["description", "product_description"])
def test_a_description_goes_with_a_whole_listing_only_by_whichever_name_it_is_mapped(name: str) -> None:
    def attributes(requirements: str) -> Any:
        through = {"requirements": requirements}
        return listing(mapped({name: {"field": "description"}}, through=through, description="For tea."))["attributes"]

    described = [{"marketplace_id": "ATVPDKIKX0DER", "language_tag": "en_US", "value": "For tea."}]
    assert attributes("LISTING")["product_description"] == described
    assert attributes("LISTING_OFFER_ONLY").keys() == {"merchant_suggested_asin", "condition_type"}


@pytest.mark.requirement("R41")
def test_title_and_description_are_checked_even_where_an_offer_does_not_send_them() -> None:
    published = mapped({"description": {"field": "description"}}, title=" ")

    assert codes(published) == [("FIELD_INVALID", "title"), ("FIELD_MISSING", "description")]


# --- identifiers, rules, product types -------------------------------------------------------------------------------------------


@pytest.mark.requirement("R48")
def test_a_message_without_asin_is_marked_with_what_amazon_looks_for() -> None:
    facets = mapped(without="asin", upc="123456789012").facets

    assert [(mark.code, mark.severity, mark.field, mark.value) for mark in facets.warnings] == [
        ("MATCHED_BY_IDENTIFIER", "INFO", "upc", "123456789012")
    ]
    assert mapped().facets.warnings == ()


@pytest.mark.requirement("R39", "R45", "R46")
def test_of_several_conditions_all_must_hold_and_an_action_may_set_any_target() -> None:
    rule = Rule.model_validate(
        {
            "name": "Bulky and used",
            "when": [{"field": "weight", "greater_than": 20}, {"field": "condition", "starts_with": "Used"}],
            "then": [{"set": "item_condition", "value": "Used - Acceptable"}, {"set": "quantity", "option": "4-14 Business Days"}],
        }
    )
    template = {**TEMPLATE}
    template["item_condition"] = {**TEMPLATE["item_condition"], "rules": [rule.name]}
    template["quantity"] = {**TEMPLATE["quantity"], "rules": [rule.name]}
    us = connection({"template": template}, rules={**BUILT_IN_RULES, rule.name: rule})

    def facets(**data: Any) -> Mapping[str, Value]:
        return us.settings.publish_template.publish({**MUG, **data}, us.marketplace).facets.values

    both, one = facets(weight=25, condition="Used - Good"), facets(weight=25)
    assert (both[HANDLING_TIME], QUANTITY in both) == (Value(14), False)
    assert both[LISTING].value["attributes"]["condition_type"][0]["value"] == "used_acceptable"
    assert (HANDLING_TIME in one, one[QUANTITY]) == (False, Value(3))
    assert one[LISTING].value["attributes"]["condition_type"][0]["value"] == "new_new"


@pytest.mark.requirement("R68")
def test_the_product_type_is_the_messages_else_amazons_else_the_generic_one() -> None:
    us = connection({})

    def product_type(published: Published, amazons: str) -> Any:
        return rendered(us, published.facets.values, product_type=amazons).message["productType"]

    assert product_type(mapped(product_type="LUGGAGE"), "MUG") == "LUGGAGE"
    assert product_type(mapped({"product_type": {"value": "SHOES"}}, product_type="LUGGAGE"), "MUG") == "SHOES"
    assert product_type(mapped({"product_type": "dont_map"}, product_type="LUGGAGE"), "MUG") == "MUG"
    assert product_type(mapped(), "PRODUCT") == "PRODUCT"


@pytest.mark.requirement("R69")
def test_a_product_type_that_was_set_by_hand_goes_before_the_messages() -> None:
    about = Listing("MUG-1", "DRINKING_CUP", (), type_is_set=True)

    patch = listing_messages.render(change(**mapped(product_type="LUGGAGE").facets.values), {}, None, about, offer_of(connection({})))

    assert isinstance(patch, Patch)
    assert patch.message["productType"] == "DRINKING_CUP"


# --- deletion ------------------------------------------------------------------------------------------------------------------


def test_only_the_exact_word_deletes_and_nothing_else_of_the_message_counts() -> None:
    us = connection({})
    deletion = us.settings.publish_template.publish({"sku": "MUG-1", "operation": "delete", "price": "x"}, us.marketplace)

    assert deletion.facets.values == {LISTING: Value(cleared=True)}
    assert deletion.facets.faults == ()
    for word in (None, "", "Delete", "DELETE", " delete", "remove"):
        assert not mapped(operation=word).facets.values[LISTING].cleared


def test_a_deletion_takes_nothing_along_that_was_said_after_it() -> None:
    patch = rendered(connection({}), {LISTING: Value(cleared=True), PRICE: Value("5.00")}, {QUANTITY: Value(3)})

    assert patch.message == {"sku": "MUG-1", "operationType": "DELETE"}
    assert (patch.facets, patch.replaces, patch.sent) == (frozenset({LISTING}), frozenset({QUANTITY}), {})


# --- what a listing carries beside its own ------------------------------------------------------------------------------------------


def test_a_listing_carries_what_is_confirmed_and_not_said_anew() -> None:
    published = mapped({"quantity": "dont_map", "price": "dont_map"})
    confirmed = {PRICE: Value("8.00"), QUANTITY: Value(7), HANDLING_TIME: Value(2), "condition_note": Value("Fine.")}

    patch = rendered(connection({}), published.facets.values, confirmed)

    attributes = as_amazon_reads(patch.message)["attributes"]
    assert attributes["purchasable_offer"][0]["our_price"] == [{"schedule": [{"value_with_tax": Decimal("8.00")}]}]
    assert attributes["fulfillment_availability"] == [
        {"fulfillment_channel_code": "DEFAULT", "quantity": 7, "lead_time_to_ship_max_days": 2}
    ]
    assert attributes["condition_note"][0]["value"] == "Fine."
    assert patch.replaces == confirmed.keys()
    assert confirmed.items() <= patch.sent.items()


def test_of_an_attribute_that_both_say_the_newer_message_decides() -> None:
    document = mapped({"condition_note": {"field": "note"}}, note="listing").facets.values[LISTING]

    def note(publisher: int, other: int) -> tuple[Any, Mapping[str, Fate]]:
        both = Change(
            {LISTING: Said(document, publisher), "condition_note": Said(Value("inventory"), other)},
            {number: Open("feedline.listing.v1", 0.0) for number in (publisher, other)},
        )
        patch = listing_messages.render(both, {}, None, Listing("MUG-1", "PRODUCT", ()), offer_of(connection({})))
        assert isinstance(patch, Patch)
        return patch.message["attributes"]["condition_note"][0]["value"], patch.dropped

    assert note(1, 2) == ("inventory", {})
    assert note(2, 1) == ("listing", {"condition_note": Fate(Outcome.SUPERSEDED, by=2)})


@pytest.mark.requirement("R53")
def test_an_emptied_price_removes_the_offer_only_where_that_is_allowed() -> None:
    template = {**TEMPLATE, "price": "set_to_empty"}
    refusing, allowing = connection({"template": template}), connection({"template": template}, sync_listings={"allow_offer_delete": True})

    refused = refusing.settings.publish_template.publish(MUG, refusing.marketplace)
    allowed = allowing.settings.publish_template.publish(MUG, allowing.marketplace)

    assert codes(refused) == [("PRICE_REQUIRED", "price")]
    offer = rendered(allowing, allowed.facets.values).message["attributes"]["purchasable_offer"]
    assert offer == [{"marketplace_id": "ATVPDKIKX0DER", "currency": "USD", "audience": "ALL"}]


def test_a_listing_that_amazon_fulfils_keeps_amazons_channel_and_gets_no_quantity() -> None:
    patch = rendered(connection({}), mapped().facets.values, channels=("AMAZON_NA",))

    assert patch.message["attributes"]["fulfillment_availability"] == [{"fulfillment_channel_code": "AMAZON_NA"}]
    assert {facet: fate.reason for facet, fate in patch.dropped.items()} == {QUANTITY: "FBA_GUARD"}
    partial = rendered(connection({}), mapped(through={"operation": "PARTIAL_UPDATE"}).facets.values, channels=("AMAZON_NA",))
    assert "fulfillment_availability" not in partial.message["attributes"]


@pytest.mark.requirement("R18")
def test_a_partial_update_does_not_name_the_availability_while_the_quantity_is_unknown() -> None:
    through = {"operation": "PARTIAL_UPDATE", "fulfillment_center_id": {"value": "W1"}}
    us = connection(through)
    facets = mapped({"quantity": "dont_map"}, through=through).facets.values

    def availability(lead_time: int | None = None, **known: Value) -> Any:
        wanted = facets if lead_time is None else {**facets, HANDLING_TIME: Value(lead_time)}
        patch = listing_messages.render(change(**wanted), known, None, Listing("MUG-1", "PRODUCT", ()), offer_of(us))
        return patch.message["attributes"].get("fulfillment_availability") if isinstance(patch, Patch) else patch

    assert availability() is None
    assert availability(handling_time=Value(3)) is None, "what Amazon has of it, it keeps"
    assert availability(2) is Reason.QUANTITY_UNKNOWN
    assert availability(2, quantity=Value(7)) == [{"fulfillment_channel_code": "W1", "quantity": 7, "lead_time_to_ship_max_days": 2}]


@pytest.mark.requirement("R18")
def test_later_quantities_go_to_the_fulfillment_center_of_the_listing() -> None:
    us = connection({"fulfillment_center_id": {"value": "W1"}})
    published = rendered(us, mapped(through={"fulfillment_center_id": {"value": "W1"}}).facets.values)

    later = rendered(us, {QUANTITY: Value(9)}, published.sent)

    assert later.message["patches"][0]["value"] == [{"fulfillment_channel_code": "W1", "quantity": 9}]


def test_a_listing_said_again_is_no_repeat_after_a_patch_of_one_of_its_attributes() -> None:
    us = connection({})
    said = mapped({"condition_note": {"field": "note"}}, note="one").facets.values[LISTING]
    confirmed = rendered(us, {LISTING: said}).sent
    assert coalescing.same(LISTING, confirmed[LISTING], said)

    patched = rendered(us, {"condition_note": Value("two")}, confirmed)

    assert not coalescing.same(LISTING, patched.sent[LISTING], said)


def test_a_listing_is_no_repeat_of_one_that_went_with_a_newer_message_of_an_attribute() -> None:
    said = mapped({"condition_note": {"field": "note"}}, note="one").facets.values[LISTING]
    both = Change(
        {LISTING: Said(said, 1), "condition_note": Said(Value("two"), 2)}, {number: Open("feedline.listing.v1", 0.0) for number in (1, 2)}
    )

    patch = listing_messages.render(both, {}, None, Listing("MUG-1", "PRODUCT", ()), offer_of(connection({})))

    assert isinstance(patch, Patch)
    assert not coalescing.same(LISTING, patch.sent[LISTING], said)


def test_a_listing_supersedes_what_waits_of_an_attribute_that_it_names_though_it_is_unchanged_itself() -> None:
    said = mapped({"condition_note": {"field": "note"}}, note="one").facets.values[LISTING]
    key = Key(None, {}, {LISTING: said})

    def arrives(number: int, source: str, sequence: int, **facets: Value) -> list[tuple[int, Outcome]]:
        message = Arrival(
            message=number, source=source, type="t", version=Version(sequenced=True, number=sequence), published=0.0, facets=facets
        )
        return [(settled.message, settled.outcome) for settled in coalescing.coalesce(key, message)]

    assert arrives(1, "wms", 1, condition_note=Value("two")) == []
    assert arrives(2, "erp", 1, listing=said) == [(1, Outcome.SUPERSEDED), (2, Outcome.UNCHANGED)]
    assert key.pending is None
    assert arrives(3, "erp", 3, condition_note=Value("three")) == []
    assert arrives(4, "erp", 2, listing=said) == [(4, Outcome.UNCHANGED)], "its own source has said the note since"


def test_a_fulfillment_center_is_known_after_a_feed_that_was_not_decided() -> None:
    at_w1 = Value({"digest": "one", "center": "W1"})
    flight = Flight(change(listing=mapped().facets.values[LISTING]), {LISTING: Value({"digest": "two"})}, {LISTING: at_w1})

    stands = coalescing.stands_either_way(flight)

    assert stands == {LISTING: Value({"center": "W1"})}
    assert not coalescing.same(LISTING, stands[LISTING], at_w1)


def test_a_listing_that_says_nothing_at_all_is_not_sent() -> None:
    nothing = dict.fromkeys(("product_id", "quantity", "item_condition", "price"), "dont_map")

    patch = rendered(connection({}), mapped(nothing).facets.values)

    assert (patch.message, patch.dropped[LISTING].outcome) == ({}, Outcome.SKIPPED)


@pytest.mark.requirement("R102")
def test_what_a_listing_only_repeats_does_not_tell_it_from_another() -> None:
    us = connection({})
    render = FORMATS[Kind.LISTINGS].renderer(us, NOON)

    def part(price: str, title: str = "New") -> Part:
        facets = mapped({"price": "dont_map"}, condition=title).facets.values
        (only,) = render(Key(change(**facets), {}, {PRICE: Value(price)}), Listing("MUG-1", "PRODUCT", ())).parts
        return only

    assert part("8.00").body != part("9.00").body
    assert part("8.00").digest == part("9.00").digest
    assert part("8.00").digest != part("8.00", "Used - Good").digest


def test_a_refused_listing_is_its_publishers_fault_alone() -> None:
    document = mapped().facets.values[LISTING]
    both = Change(
        {LISTING: Said(document, 1), QUANTITY: Said(Value(3), 1), PRICE: Said(Value("5.00"), 2)},
        {1: Open("feedline.listing.v1", 0.0), 2: Open("feedline.inventory.v1", 0.0)},
    )
    fate = Fate(Outcome.REJECTED, reason="8560")

    (mine, decided), (others, undecided) = coalescing.refused(Flight(both, {}), fate)

    assert (set(mine.facets), set(mine.messages), decided) == ({LISTING, QUANTITY}, {1}, fate)
    assert (set(others.facets), set(others.messages), undecided) == ({PRICE}, {2}, None)


# --- pure --------------------------------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
FIELDS = st.fixed_dictionaries(
    {"sku": st.just("MUG-1")},
    optional={
        "title": TEXTS,
        "asin": st.sampled_from(["", "B07X4K9Y9Z", "b07x4k9y9z"]),
        "upc": st.sampled_from(["", "123456789012", "123456789013", 123456789012]),
        "condition": st.sampled_from(["New", "new", "Used - Good"]),
        "price": st.decimals(0, 1000, places=2) | st.integers(-1, 99) | TEXTS,
        "quantity": st.integers(-3, 99) | TEXTS,
        "operation": st.sampled_from([None, "delete"]),
        "note": TEXTS | st.lists(TEXTS, max_size=2),
    },
)
CONFIRMED = st.dictionaries(st.sampled_from([QUANTITY, HANDLING_TIME]), st.integers(0, 9).map(Value))


@settings(deadline=None)
@given(FIELDS, CONFIRMED, st.sampled_from(["UPDATE", "PARTIAL_UPDATE"]), st.sampled_from(["LISTING", "LISTING_OFFER_ONLY"]))
def test_the_same_message_template_and_rules_give_the_same_bytes(
    data: Mapping[str, Any], confirmed: Mapping[str, Value], operation: str, requirements: str
) -> None:
    def made() -> tuple[Published, bytes]:
        us = connection(
            {"operation": operation, "requirements": requirements, "template": {**TEMPLATE, "condition_note": {"field": "note"}}}
        )
        published = us.settings.publish_template.publish(data, us.marketplace)
        whole = (
            b""
            if published.facets.faults
            else encode(rendered(us, published.facets.values, dict(reversed(list(confirmed.items())))).message)
        )
        return published, whole

    first, second = made(), made()

    assert first == second


@pytest.mark.requirement("R40")
@pytest.mark.parametrize(
    ("name", "target"), [("condition_type", "item_condition"), ("merchant_suggested_asin", "product_id"), ("item_name", "title")]
)
def test_an_attribute_that_a_target_makes_is_not_mapped_a_second_time_by_its_name(name: str, target: str) -> None:
    with pytest.raises(ValidationError) as refused:
        connection({"template": {**TEMPLATE, name: {"field": "other"}}})

    (fault,) = refused.value.errors()
    assert (fault["type"], fault["ctx"]) == ("TARGET_RESERVED", {"value": name, "limit": target})


def test_amazons_name_of_an_attribute_may_take_the_place_of_its_target() -> None:
    without = {name: spec for name, spec in TEMPLATE.items() if name != "item_condition"}
    us = connection({"template": {**without, "condition_type": {"field": "condition"}}})

    published = us.settings.publish_template.publish({**MUG, "condition": "used_good"}, us.marketplace)

    assert listing(published)["attributes"]["condition_type"] == [{"marketplace_id": "ATVPDKIKX0DER", "value": "used_good"}]
