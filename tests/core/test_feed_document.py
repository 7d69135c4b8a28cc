"""A JSON_LISTINGS_FEED: what a change becomes, and the document that Amazon gets."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

import schema.amazon
from worker.core import coalescing
from worker.core.coalescing import Change, Open, Said
from worker.core.connections import ConnectionSettings
from worker.core.facets import Value
from worker.core.feed_document import Listing, Offer, Patch, PatchOp, assemble, body, header, render, size
from worker.core.json import decode
from worker.core.marketplaces import MARKETPLACES, Marketplace
from worker.core.outcomes import Fate, Outcome, Reason
from worker.core.sync import sync_facets
from worker.core.targets import Way

US, JP = MARKETPLACES["ATVPDKIKX0DER"], MARKETPLACES["A1VC38T7YXB528"]
LISTING = Listing("MUG-1", "LUGGAGE", ("DEFAULT",))
GOLDEN = Path(__file__).parent / "golden"


def offer(**changes: Any) -> Offer:
    usual = Offer(US.id, US.currency, "en_US", "DEFAULT", PatchOp.MERGE, maps_handling_time=True, sends_quantity=True, guards_fba=True)
    return usual._replace(**changes)


def change(**facets: Any) -> Change:
    """A change of one message; None clears a facet."""
    values = {name: Value(cleared=True) if value is None else Value(value) for name, value in facets.items()}
    return Change({name: Said(value, 1) for name, value in values.items()}, {1: Open("feedline.inventory.v1", 0.0)})


def rendered(
    wanted: Change, *, confirmed: Mapping[str, Value] | None = None, said: int | None = None, listing: Listing = LISTING, **offered: Any
) -> Patch:
    patch = render(wanted, confirmed or {}, said, listing, offer(**offered))
    assert isinstance(patch, Patch)
    return patch


def patches(patch: Patch) -> Any:
    """The patches as Amazon reads them."""
    return json.loads(b"{" + body(patch.message), parse_float=str)["patches"]


def availability(patch: Patch) -> Any:
    (only,) = patches(patch)
    assert only["path"] == "/attributes/fulfillment_availability"
    (instance,) = only["value"]
    return instance


# --- prices ------------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R52")
def test_a_price_is_a_number_in_the_marketplaces_currency() -> None:
    assert patches(rendered(change(price="29.99"))) == [
        {
            "op": "merge",
            "path": "/attributes/purchasable_offer",
            "value": [
                {
                    "marketplace_id": "ATVPDKIKX0DER",
                    "currency": "USD",
                    "audience": "ALL",
                    "our_price": [{"schedule": [{"value_with_tax": "29.99"}]}],
                }
            ],
        }
    ]


@pytest.mark.parametrize("digits", ["0.1", "19.9", "19.90", "19.990000000000000001", "123456789012345.67", "0.10"])
def test_a_price_goes_exact_to_the_last_digit_as_a_json_number(digits: str) -> None:
    message = body(rendered(change(price=digits)).message)

    assert b'"value_with_tax":' + digits.encode() + b"}" in message


def test_a_price_in_yen_has_no_decimals_and_yens_currency() -> None:
    message = body(rendered(change(price="1980"), marketplace_id=JP.id, currency=JP.currency).message)

    assert b'"currency":"JPY"' in message
    assert b'"value_with_tax":1980}' in message


@pytest.mark.requirement("R53")
def test_a_cleared_price_deletes_the_offer_by_its_selectors() -> None:
    assert patches(rendered(change(price=None))) == [
        {
            "op": "delete",
            "path": "/attributes/purchasable_offer",
            "value": [{"marketplace_id": "ATVPDKIKX0DER", "currency": "USD", "audience": "ALL"}],
        }
    ]


# --- quantity and lead time --------------------------------------------------------------------------------------------------

TEMPLATES: Mapping[str, Any] = {
    "not mapped": "dont_map",
    "mapped, 3": {"field": "handling_time"},
    "mapped, blank": {"field": "handling_time"},
    "mapped, not said": {"field": "handling_time"},
    "set to empty": "set_to_empty",
}
SAYS: Mapping[str, Mapping[str, Any]] = {"mapped, 3": {"handling_time": 3}, "mapped, blank": {"handling_time": " "}}
NOTHING: Mapping[str, Any] = {}
HELD = "quantity_unknown"


def by_template(handling_time: str, channel: str, op: str, data: Mapping[str, Any], marketplace: Marketplace = US) -> Any:
    """Take *data* through a sync template and render it: the one availability instance, NOTHING, or the reason to hold it."""
    settings = ConnectionSettings.model_validate(
        {
            "name": "US",
            "marketplace_id": marketplace.id,
            "selling_partner_id": "A1",
            "fulfillment_channel": channel,
            "sync_listings": {"template": {"quantity": {"field": "quantity"}, "handling_time": TEMPLATES[handling_time]}, "patch_op": op},
        }
    )
    facets = sync_facets({**data, **SAYS.get(handling_time, {})}, settings, marketplace)
    assert facets.faults == ()
    if not facets.values:
        return NOTHING
    wanted = Change({name: Said(value, 1) for name, value in facets.values.items()}, {1: Open("feedline.inventory.v1", 0.0)})
    said = facets.values["handling_time"].value if "handling_time" in facets.values else None
    maps = settings.sync_listings.template["handling_time"].way is not Way.DONT_MAP
    patch = render(wanted, {}, said, LISTING, offer(channel=channel, patch_op=PatchOp(op), maps_handling_time=maps))
    if isinstance(patch, Reason):
        return str(patch)
    return availability(patch) if patch.message else NOTHING


def default(**keys: int) -> Mapping[str, Any]:
    return {"fulfillment_channel_code": "DEFAULT", **keys}


def north_america(**keys: int) -> Mapping[str, Any]:
    return {"fulfillment_channel_code": "AMAZON_NA", **keys}


@pytest.mark.requirement("R55", "R56", "R57", "R58")
@pytest.mark.parametrize("op", ["merge", "replace"])
@pytest.mark.parametrize(
    ("channel", "handling_time", "expected"),
    [
        ("DEFAULT", "not mapped", default(quantity=5)),
        ("DEFAULT", "mapped, 3", default(quantity=5, lead_time_to_ship_max_days=3)),
        ("DEFAULT", "mapped, blank", default(quantity=5)),
        ("DEFAULT", "mapped, not said", default(quantity=5)),
        ("DEFAULT", "set to empty", default(quantity=5)),
        ("AMAZON_NA", "not mapped", north_america(quantity=5, lead_time_to_ship_max_days=1)),
        ("AMAZON_NA", "mapped, 3", north_america(quantity=5, lead_time_to_ship_max_days=3)),
        ("AMAZON_NA", "mapped, blank", north_america(quantity=5, lead_time_to_ship_max_days=1)),
        ("AMAZON_NA", "mapped, not said", north_america(quantity=5, lead_time_to_ship_max_days=1)),
        ("AMAZON_NA", "set to empty", north_america(quantity=5, lead_time_to_ship_max_days=1)),
    ],
)
def test_a_quantity_carries_a_lead_time_by_the_rule(channel: str, handling_time: str, op: str, expected: Mapping[str, Any]) -> None:
    assert by_template(handling_time, channel, op, {"quantity": 5}) == expected


@pytest.mark.requirement("R56", "R57", "R58")
@pytest.mark.parametrize(
    ("channel", "handling_time", "op", "expected"),
    [
        ("DEFAULT", "not mapped", "merge", NOTHING),
        ("DEFAULT", "mapped, 3", "merge", default(lead_time_to_ship_max_days=3)),
        ("DEFAULT", "mapped, blank", "merge", NOTHING),
        ("DEFAULT", "set to empty", "merge", NOTHING),
        ("AMAZON_NA", "not mapped", "merge", NOTHING),
        ("AMAZON_NA", "mapped, 3", "merge", north_america(lead_time_to_ship_max_days=3)),
        ("AMAZON_NA", "mapped, blank", "merge", north_america(lead_time_to_ship_max_days=1)),
        ("AMAZON_NA", "set to empty", "merge", north_america(lead_time_to_ship_max_days=1)),
        ("DEFAULT", "not mapped", "replace", NOTHING),
        ("DEFAULT", "mapped, 3", "replace", HELD),
        ("DEFAULT", "mapped, blank", "replace", HELD),
        ("DEFAULT", "set to empty", "replace", HELD),
        ("AMAZON_NA", "mapped, 3", "replace", HELD),
        ("AMAZON_NA", "set to empty", "replace", HELD),
    ],
)
def test_a_lead_time_without_a_quantity_by_the_rule(channel: str, handling_time: str, op: str, expected: Mapping[str, Any]) -> None:
    assert by_template(handling_time, channel, op, {}) == expected


@pytest.mark.requirement("R57")
def test_with_another_channel_the_last_lead_time_that_was_said_goes_with_every_quantity() -> None:
    mapped = rendered(change(quantity=5), said=4, channel="AMAZON_NA")
    not_mapped = rendered(change(quantity=5), said=4, channel="AMAZON_NA", maps_handling_time=False)

    assert availability(mapped)["lead_time_to_ship_max_days"] == 4
    assert availability(not_mapped)["lead_time_to_ship_max_days"] == 1


@pytest.mark.requirement("R58")
def test_with_default_a_lead_time_that_was_said_before_is_left_alone_by_merge() -> None:
    patch = rendered(change(quantity=5), said=4, confirmed={"handling_time": Value(4)})

    assert availability(patch) == default(quantity=5)


def test_replace_carries_every_confirmed_facet_of_the_attribute() -> None:
    with_quantity = rendered(change(quantity=5), confirmed={"handling_time": Value(4)}, patch_op=PatchOp.REPLACE)
    with_lead_time = rendered(change(handling_time=2), confirmed={"quantity": Value(7)}, patch_op=PatchOp.REPLACE)

    assert availability(with_quantity) == default(quantity=5, lead_time_to_ship_max_days=4)
    assert with_quantity.sent == {"quantity": Value(5), "handling_time": Value(4)}
    assert availability(with_lead_time) == default(quantity=7, lead_time_to_ship_max_days=2)


def test_replace_with_an_emptied_handling_time_removes_it() -> None:
    patch = rendered(change(handling_time=None), confirmed={"quantity": Value(7), "handling_time": Value(4)}, patch_op=PatchOp.REPLACE)

    assert availability(patch) == default(quantity=7)
    assert patch.sent["handling_time"] == Value(cleared=True)
    assert patch.warnings == ()


def test_an_emptied_handling_time_alone_ends_under_merge_with_a_warning() -> None:
    patch = rendered(change(handling_time=None))

    assert patch.message == {}
    assert patch.dropped["handling_time"].outcome is Outcome.SKIPPED
    assert [warning.code for warning in patch.dropped["handling_time"].issues] == ["HANDLING_TIME_CLEAR_UNSUPPORTED"]


def test_an_emptied_handling_time_beside_a_price_is_warned_of_once() -> None:
    wanted = change(price="1.00", handling_time=None)
    patch = rendered(wanted)

    ended = coalescing.drop(wanted, patch.dropped)
    coalescing.warn(wanted, patch.warnings)
    (settled,) = coalescing.drop(wanted, dict.fromkeys(wanted.facets, Fate(Outcome.ACCEPTED)))

    assert ended == []
    assert settled.outcome is Outcome.ACCEPTED_WITH_WARNINGS
    assert [issue.code for issue in settled.issues] == ["HANDLING_TIME_CLEAR_UNSUPPORTED"]


def test_an_emptied_handling_time_beside_a_quantity_is_not_taken_as_known() -> None:
    patch = rendered(change(quantity=5, handling_time=None))

    assert patch.sent == {"quantity": Value(5)}
    assert [warning.field for warning in patch.warnings] == ["handling_time"]


def test_with_fba_quantity_omit_only_the_lead_time_goes() -> None:
    patch = rendered(change(quantity=5, handling_time=2), channel="AMAZON_NA", sends_quantity=False)

    assert availability(patch) == north_america(lead_time_to_ship_max_days=2)
    assert patch.dropped == {"quantity": Fate(Outcome.SKIPPED, reason="nothing_to_send")}


# --- who fulfils -------------------------------------------------------------------------------------------------------------

FBA = LISTING._replace(channels=("AMAZON_NA",))


def test_a_quantity_for_what_amazon_fulfils_is_rejected_and_the_price_beside_it_goes() -> None:
    patch = rendered(change(quantity=5, price="1.00"), listing=FBA)

    assert [each["path"] for each in patches(patch)] == ["/attributes/purchasable_offer"]
    assert (patch.dropped["quantity"].outcome, patch.dropped["quantity"].reason) == (Outcome.REJECTED, "FBA_GUARD")


def test_a_handling_time_does_not_make_amazons_sku_the_merchants_either() -> None:
    patch = rendered(change(handling_time=2), listing=FBA)

    assert patch.message == {}
    assert patch.dropped["handling_time"].reason == "FBA_GUARD"


@pytest.mark.parametrize(
    ("listing", "offered"),
    [
        (FBA, {"guards_fba": False}),
        (FBA, {"channel": "AMAZON_NA"}),
        (LISTING._replace(channels=("DEFAULT", "AMAZON_NA")), {}),
        (LISTING._replace(channels=()), {}),
    ],
)
def test_the_guard_stands_only_before_what_amazon_alone_fulfils(listing: Listing, offered: Mapping[str, Any]) -> None:
    assert availability(rendered(change(quantity=5), listing=listing, **offered))["quantity"] == 5


# --- further attributes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("item_name", "Blue mug", [{"marketplace_id": US.id, "language_tag": "en_US", "value": "Blue mug"}]),
        ("color", "blue", [{"marketplace_id": US.id, "language_tag": "en_US", "value": "blue"}]),
        ("part_number", "B-7", [{"marketplace_id": US.id, "value": "B-7"}]),
        ("max_order_quantity", 3, [{"marketplace_id": US.id, "value": 3}]),
        ("bullet_point", ["a", "b"], [{"marketplace_id": US.id, "language_tag": "en_US", "value": text} for text in ("a", "b")]),
        ("list_price", {"currency": "USD", "value": Decimal("19.90")}, [{"marketplace_id": US.id, "currency": "USD", "value": "19.90"}]),
        ("item_weight", {"marketplace_id": "another", "value": 2}, [{"marketplace_id": "another", "value": 2}]),
    ],
)
def test_a_further_attribute_has_the_shape_that_most_attributes_have(name: str, value: Any, expected: Any) -> None:
    assert patches(rendered(change(**{name: value}))) == [{"op": "merge", "path": f"/attributes/{name}", "value": expected}]


def test_a_further_attribute_that_is_emptied_is_deleted_by_its_selectors() -> None:
    assert patches(rendered(change(item_name=None, color=None))) == [
        {"op": "delete", "path": "/attributes/item_name", "value": [{"marketplace_id": US.id, "language_tag": "en_US"}]},
        {"op": "delete", "path": "/attributes/color", "value": [{"marketplace_id": US.id, "language_tag": "en_US"}]},
    ]


# --- the document ------------------------------------------------------------------------------------------------------------

MESSAGES = (
    rendered(change(price="29.99", quantity=5)),
    rendered(change(quantity=0), listing=Listing('12" "Ø" \\ mug 杯', "PRODUCT", ())),
    rendered(change(price="0.10", handling_time=30, item_name="Mug"), listing=Listing("AMZ-1", "LUGGAGE", ())),
    rendered(change(price=None), listing=Listing("AMZ-2", "LUGGAGE", ())),
)


def whole_document() -> bytes:
    return assemble(header("A1EXAMPLESELLER", "en_US"), [body(patch.message) for patch in MESSAGES], 41)


@pytest.mark.requirement("R5", "R58", "R59")
def test_the_document_is_the_golden_one_to_the_byte() -> None:
    golden = (GOLDEN / "feed_document.json").read_text("utf-8")

    assert whole_document().decode() == "".join(line.strip() for line in golden.splitlines())


@pytest.mark.requirement("R59")
def test_the_document_validates_against_amazons_schema() -> None:
    (folder,) = schema.amazon.__path__
    amazons = json.loads((Path(folder) / "listings-feed-schema-v2.json").read_bytes())

    jsonschema_rs.validator_for(amazons).validate(json.loads(whole_document()))


def test_messages_are_numbered_one_by_one_from_the_first() -> None:
    document = decode(whole_document())

    assert [message["messageId"] for message in document["messages"]] == [41, 42, 43, 44]


@pytest.mark.parametrize("first", [1, 2_147_483_647 - len(MESSAGES) + 1])
def test_a_document_is_never_longer_than_its_parts_were_counted(first: int) -> None:
    bodies = [body(patch.message) for patch in MESSAGES]
    head = header("A1EXAMPLESELLER", "en_US")

    counted = len(head) + len(b"]}") + sum(map(size, bodies)) + len(bodies) - 1

    assert len(assemble(head, bodies, first)) <= counted
