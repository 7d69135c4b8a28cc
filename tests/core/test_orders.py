"""What is kept of an order, what the template makes of it, and what of that is personal."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.amazon.orders import OrderPage
from worker.core.connections import ConnectionSettings
from worker.core.issues import Issue
from worker.core.orders import Item, Mapped, Order, OrderTemplate, Unmapped, is_past_keeping
from worker.core.personal_data import is_personal

ORDER_ID = "902-3159896-1390916"


def template(entries: dict[str, Any] | None = None, **settings: Any) -> OrderTemplate:
    """The default template with further *entries*."""
    base = {"name": "US", "marketplace_id": "ATVPDKIKX0DER", "selling_partner_id": "A1EXAMPLESELLER", "sku_prefix": "AMZ-", **settings}
    plain = {"reference_number": {"field": "order.orderId"}, "ordered_on": {"field": "order.createdTime"}}
    if entries is not None:
        base["get_orders"] = {"template": {**plain, **entries}}
    return ConnectionSettings.model_validate(base).order_template


def amazon_order(**changes: Any) -> dict[str, Any]:
    return {
        "orderId": ORDER_ID,
        "createdTime": "2026-08-04T07:00:00-07:00",
        "lastUpdatedTime": "2026-08-05T09:30:00.250Z",
        "salesChannel": {"channelName": "AMAZON", "marketplaceId": "ATVPDKIKX0DER"},
        "buyer": {"buyerName": "Jane Roe", "buyerEmail": "abc@marketplace.amazon.com"},
        "recipient": {"deliveryAddress": {"name": "Jane Roe", "addressLine1": "100 Main Street", "city": "Seattle", "countryCode": "US"}},
        "proceeds": {"grandTotal": {"amount": "65.98", "currencyCode": "USD"}},
        "fulfillment": {"fulfillmentStatus": "UNSHIPPED"},
        "orderItems": [{"orderItemId": "11498765431234", "quantityOrdered": 2, "product": {"sellerSku": "AMZ-FLX12345"}}],
        **changes,
    }


def read(order: dict[str, Any], using: OrderTemplate | None = None) -> Order:
    found = (using or template()).read(json.dumps(order).encode())
    assert isinstance(found, Order), found
    return found


def refused(order: object) -> Issue:
    found = template().read(order if isinstance(order, bytes) else json.dumps(order).encode())
    assert isinstance(found, Issue)
    return found


# --- the mission's sample ------------------------------------------------------------------------------------------------------

SAMPLE = b"""{
  "AmazonOrderID": "AMZ202306231234",
  "OrderTotal": {"Amount": 49.99, "CurrencyCode": "USD"},
  "ShippingAddress": {"AddressLine1": "123 Main St", "City": "Austin", "PostalCode": "78701"},
  "OrderItem": {"SellerSKU": "FLX12345", "QuantityOrdered": 1}
}"""
WHAT_ELSE_AMAZON_TELLS = b'"PurchaseDate": "2023-06-23T12:34:00Z", "LastUpdateDate": "2023-06-23T12:40:00Z", '
WITH_TIMES = SAMPLE.replace(b'"AmazonOrderID"', WHAT_ELSE_AMAZON_TELLS + b'"AmazonOrderID"').replace(
    b'"SellerSKU"', b'"OrderItemId": "11498765431234", "SellerSKU"'
)


@pytest.mark.requirement("R71", "R72", "R73", "R74", "R75", "R78")
def test_the_sample_order_is_kept_and_mapped() -> None:
    order = template().read(WITH_TIMES)

    assert isinstance(order, Order)
    assert (order.amazon_order_id, order.total, order.currency) == ("AMZ202306231234", "49.99", "USD")
    assert order.items == (Item("11498765431234", "FLX12345", 1),)
    assert order.mapped == Mapped(
        public={"reference_number": "AMZ202306231234", "ordered_on": "2023-06-23T12:34:00Z", "invoice.total": "49.99"},
        personal={"shipping_address.address_line_1": "123 Main St", "shipping_address.city": "Austin"},
        unmapped=(),
    )


@pytest.mark.requirement("R78")
@pytest.mark.parametrize("spelt", ["orderItems", "OrderItem", "OrderItems"])
@pytest.mark.parametrize("alone", [True, False], ids=["one object", "a list"])
def test_items_come_as_one_object_or_as_a_list(spelt: str, *, alone: bool) -> None:
    item = {"orderItemId": "1", "quantityOrdered": 1, "product": {"sellerSku": "MUG"}}
    order = amazon_order()
    del order["orderItems"]

    assert read(order | {spelt: item if alone else [item]}).items == (Item("1", "MUG", 1),)


# --- what may be missing, and what may not -------------------------------------------------------------------------------------


@pytest.mark.requirement("R77", "R79")
@pytest.mark.parametrize("block", ["proceeds", "recipient", "buyer", "fulfillment", "salesChannel", "createdTime", "orderItems"])
@pytest.mark.parametrize("how", ["missing", "null", "of another type"])
def test_an_order_may_lack_nearly_everything(block: str, how: str) -> None:
    order = amazon_order()
    if how == "missing":
        del order[block]
    else:
        order[block] = None if how == "null" else {} if isinstance(order[block], dict) else []

    assert read(order).amazon_order_id == ORDER_ID


@pytest.mark.requirement("R77")
def test_a_pending_order_has_neither_total_nor_address_and_is_mapped_without() -> None:
    order = read({name: value for name, value in amazon_order().items() if name not in {"buyer", "recipient", "proceeds"}})

    assert (order.total, order.currency) == (None, None)
    assert order.mapped.public.keys() == {"reference_number", "ordered_on"}
    assert order.mapped.personal == {}
    assert order.mapped.unmapped == ()


def test_an_item_may_lack_its_sku() -> None:
    assert read(amazon_order(orderItems=[{"orderItemId": "1", "quantityOrdered": 3, "product": {}}])).items == (Item("1", None, 3),)


def test_a_sku_loses_the_connections_prefix() -> None:
    assert read(amazon_order()).items[0].sku == "FLX12345"


@pytest.mark.parametrize(
    ("order", "named", "reason"),
    [
        (b"{", None, "no JSON"),
        (b'{"orderId": "902-3159896-1390916", "x": tru}', ORDER_ID, "no JSON"),
        (b'{"orderId": "902-3159896-1390916", "x": "\xff"}', ORDER_ID, "no JSON"),
        (b'{"orderId": "902-3159896-1390916", "x": 1e99999999999999999999}', ORDER_ID, "beyond what can be read"),
        ([], None, "no object"),
        (amazon_order(orderId=None), None, "no order id"),
        (amazon_order(orderId="1\n2"), "1\\x0a2", "no order id"),
        (amazon_order(lastUpdatedTime="yesterday"), ORDER_ID, "lastUpdatedTime"),
        (amazon_order(lastUpdatedTime="0001-01-01T00:00:00+14:00"), ORDER_ID, "lastUpdatedTime"),
        (amazon_order(orderItems=[{"quantityOrdered": 1}]), ORDER_ID, "order item id"),
        (amazon_order(orderItems=[{"orderItemId": "1", "quantityOrdered": -1}]), ORDER_ID, "quantity"),
        (amazon_order(orderItems=[{"orderItemId": "1", "quantityOrdered": 0.5}]), ORDER_ID, "quantity"),
        (amazon_order(orderItems=["mug"]), ORDER_ID, "order item id"),
    ],
)
def test_an_odd_order_is_named_by_its_id_and_by_nothing_else_of_it(order: object, named: str | None, reason: str) -> None:
    issue = refused(order)

    assert (issue.code, issue.value) == ("ORDER_UNREADABLE", named)
    assert reason in issue.message
    assert "Jane" not in f"{issue}"


def test_an_order_that_is_nested_deeper_than_the_stack_is_odd_and_no_error() -> None:
    nested = json.dumps(amazon_order(x=None)).replace('"x": null', '"x": ' + "[" * 100_000 + "]" * 100_000).encode()

    found = template({"everything": {"field": "order"}}).read(nested)

    assert isinstance(found, Issue)
    assert (found.code, found.value) == ("ORDER_UNREADABLE", ORDER_ID)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.decimals(allow_nan=False).map(str) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*amazon_order(), "product", "sellerSku"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*amazon_order(), "packages"]), ANYTHING, max_size=4))
def test_whatever_comes_is_an_order_or_an_odd_one_and_raises_nothing(changes: dict[str, Any]) -> None:
    whole = template({"all": {"field": "order"}, "invoice.total": {"field": "order.proceeds.grandTotal.amount"}})

    assert isinstance(whole.read(json.dumps(amazon_order(**changes)).encode()), Order | Issue)


@pytest.mark.parametrize(
    ("written", "kept"),
    [('"A\\u0000B"', None), ("[" * 300 + "]" * 300, None), ("99999999999999999999", "99999999999999999999"), ("1E+400", "1E+400")],
    ids=["NUL", "deeply nested", "a large integer", "beyond all sense"],
)
def test_what_cannot_be_stored_is_left_out_and_the_order_is_kept(written: str, kept: str | None) -> None:
    raw = json.dumps(amazon_order()).replace('"AMAZON"', written).encode()

    order = template({"channel": {"field": "order.salesChannel.channelName"}}).read(raw)

    assert isinstance(order, Order)
    assert order.mapped.public.get("channel") == kept
    assert bool(order.mapped.unmapped) == (kept is None)


# --- money and times -----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R74")
@pytest.mark.parametrize(
    ("amount", "currency", "kept"),
    [
        ("65.98", "USD", "65.98"),
        ("2980", "JPY", "2980"),
        ("-12.50", "USD", "-12.50"),
        ("0.00", "USD", "0.00"),
        ("-0.00", "USD", "0.00"),
        ("19.990000000000000001", "EUR", "19.990000000000000001"),
    ],
    ids=["dollars", "yen have no decimals", "negative", "zero", "no zero is negative", "every digit"],
)
def test_a_total_keeps_its_digits_and_its_currency(amount: str, currency: str, kept: str) -> None:
    order = read(amazon_order(proceeds={"grandTotal": {"amount": amount, "currencyCode": currency}}))

    assert (order.total, order.currency, order.mapped.public["invoice.total"]) == (kept, currency, kept)


def test_a_total_that_is_a_json_number_never_goes_through_a_binary_float() -> None:
    raw = json.dumps(amazon_order()).replace('"65.98"', "19.990000000000000001").encode()
    order = template({"also": {"field": "order.proceeds.grandTotal.amount"}, "invoice.total": {"value": Decimal("1.10")}}).read(raw)

    assert isinstance(order, Order)
    assert (order.total, order.mapped.public["also"], order.mapped.public["invoice.total"]) == (
        "19.990000000000000001",
        "19.990000000000000001",
        "1.10",
    )


def test_a_total_that_is_none_is_left_out_and_the_target_named() -> None:
    order = read(amazon_order(proceeds={"grandTotal": {"amount": "a lot", "currencyCode": "USD"}}))

    assert (order.total, "invoice.total" in order.mapped.public) == (None, False)
    assert order.mapped.unmapped == (Unmapped("invoice.total", "order.proceeds.grandTotal.amount", "FIELD_INVALID"),)


@pytest.mark.requirement("R75")
def test_times_keep_their_zone_when_mapped_and_are_utc_when_kept() -> None:
    order = read(amazon_order())

    assert order.mapped.public["ordered_on"] == "2026-08-04T07:00:00-07:00"
    assert order.purchased_at == datetime(2026, 8, 4, 14, tzinfo=UTC)
    assert order.updated_at == datetime(2026, 8, 5, 9, 30, 0, 250_000, tzinfo=UTC)


def test_an_order_of_1995_is_an_order() -> None:
    assert read(amazon_order(createdTime="1995-07-16T00:00:00Z")).purchased_at == datetime(1995, 7, 16, tzinfo=UTC)


SHIP_TIMES = [{"shipTime": "2026-08-05T08:00:00Z"}, {"shipTime": "2026-08-04T18:00:00Z"}, {"shipTime": None}, {}]


@pytest.mark.parametrize(
    ("changes", "closed_at"),
    [
        ({}, None),
        ({"fulfillment": {"fulfillmentStatus": "PARTIALLY_SHIPPED"}, "packages": SHIP_TIMES}, None),
        ({"fulfillment": {"fulfillmentStatus": "SHIPPED"}, "packages": SHIP_TIMES}, datetime(2026, 8, 5, 8, tzinfo=UTC)),
        ({"fulfillment": {"fulfillmentStatus": "SHIPPED"}}, datetime(2026, 8, 5, 9, 30, 0, 250_000, tzinfo=UTC)),
        ({"fulfillment": {"fulfillmentStatus": "CANCELLED"}}, datetime(2026, 8, 5, 9, 30, 0, 250_000, tzinfo=UTC)),
        (
            {"fulfillment": {"fulfillmentStatus": "SHIPPED"}, "packages": [{"shipTime": "2099-01-01T00:00:00Z"}]},
            datetime(2026, 8, 5, 9, 30, 0, 250_000, tzinfo=UTC),
        ),
    ],
    ids=["open", "partly shipped", "the last parcel", "no parcel is told", "cancelled", "a parcel in the future"],
)
def test_an_order_is_closed_when_its_last_parcel_left_or_it_was_cancelled(changes: dict[str, Any], closed_at: datetime | None) -> None:
    assert read(amazon_order(**changes)).closed_at == closed_at


def test_personal_data_is_past_keeping_after_thirty_days() -> None:
    closed = datetime(2026, 8, 1, tzinfo=UTC)

    assert not is_past_keeping(closed, closed, datetime(2026, 8, 30, 23, tzinfo=UTC))
    assert is_past_keeping(closed, closed, datetime(2026, 8, 31, tzinfo=UTC))
    assert not is_past_keeping(datetime(9999, 12, 31, tzinfo=UTC), closed, datetime(2026, 8, 31, tzinfo=UTC))


def test_personal_data_of_an_order_that_nobody_closes_is_past_keeping_in_the_end() -> None:
    updated = datetime(2026, 1, 1, tzinfo=UTC)

    assert not is_past_keeping(None, updated, datetime(2026, 6, 29, tzinfo=UTC))
    assert is_past_keeping(None, updated, datetime(2026, 6, 30, tzinfo=UTC))


# --- the template --------------------------------------------------------------------------------------------------------------

CITY, LINE = "shipping_address.city", "shipping_address.address_line_1"
CITY_FIELD = "order.recipient.deliveryAddress.city"
SIX_WAYS: tuple[tuple[str, Any, str | None], ...] = (
    ("don't map", "dont_map", None),
    ("set to empty", "set_to_empty", ""),
    ("field", {"field": CITY_FIELD}, "Seattle"),
    ("value", {"value": "Olympia"}, "Olympia"),
    ("mapping set", {"mapping_set": "cities", "field": CITY_FIELD}, "SEA"),
    ("rules", {"field": CITY_FIELD, "rules": ["No Seattle"]}, "Tacoma"),
)


@pytest.mark.requirement("R73", "R76")
@pytest.mark.parametrize("target", [CITY, LINE, "billing_address.city", "billing_address.address_line_1"])
@pytest.mark.parametrize(("entry", "made"), [row[1:] for row in SIX_WAYS], ids=[row[0] for row in SIX_WAYS])
def test_an_address_may_go_to_billing_or_shipping_in_all_six_ways(target: str, entry: Any, made: str | None) -> None:
    rule = {"name": "No Seattle", "when": [{"field": CITY_FIELD, "equals": "Seattle"}], "then": [{"set": target, "value": "Tacoma"}]}
    using = template({target: entry}, mapping_sets={"cities": {"Seattle": "SEA"}}, rules={"No Seattle": rule})

    assert read(amazon_order(), using).mapped.personal.get(target) == made


@pytest.mark.requirement("R72")
def test_a_reference_number_may_be_a_value_or_be_ruled() -> None:
    first = {"name": "Web", "when": [{"field": "order.buyer", "is": "empty"}], "then": [{"set": "reference_number", "value": "GUEST"}]}
    ruled = template({"reference_number": {"field": "order.orderId", "rules": ["Web"]}}, rules={"Web": first})

    assert read(amazon_order(), template({"reference_number": {"value": "R-1"}})).mapped.public["reference_number"] == "R-1"
    assert read(amazon_order(), ruled).mapped.personal["reference_number"] == ORDER_ID, "a rule that looks at the buyer tells of him"


def test_a_city_that_no_mapping_set_has_is_named_by_its_field_and_not_by_itself() -> None:
    using = template({CITY: {"mapping_set": "cities", "field": CITY_FIELD}}, mapping_sets={"cities": {"seattle": "SEA"}})

    assert read(amazon_order(), using).mapped.unmapped == (Unmapped(CITY, CITY_FIELD, "MAPPING_KEY_UNKNOWN"),)


@pytest.mark.requirement("R112")
def test_of_what_tells_of_nobody_the_near_miss_is_named() -> None:
    entry = {"mapping_set": "states", "field": "order.fulfillment.fulfillmentStatus"}
    using = template({"state": entry}, mapping_sets={"states": {"Unshipped": "open"}})

    (unmapped,) = read(amazon_order(), using).mapped.unmapped

    assert unmapped.message == "The mapping set states has no key UNSHIPPED: its key 'Unshipped' differs only by case or spacing."


PERSONAL = (
    ("customer", "order.buyer.buyerName"),
    ("customer", "order.buyer.buyerEmail"),
    ("buyer", "order.buyer"),
    ("to", "order.recipient.deliveryAddress.name"),
    ("street", "order.recipient.deliveryAddress.addressLine3"),
    ("postcode", "order.recipient.deliveryAddress.postalCode"),
    ("town", "order.recipient.deliveryAddress.city"),
    ("call", "order.recipient.deliveryAddress.phone"),
    ("brazil", "order.recipient.deliveryAddress.extendedFields.streetName"),
    ("whole", "order.recipient"),
    ("raw", "order"),
    ("items", "order.orderItems"),
    ("gift", "order.orderItems.fulfillment.packing.giftOption.giftMessage"),
    ("vat", "order.tax.taxRegistrations"),
    ("new", "order.somethingThatAmazonAddsTomorrow"),
    ("shipping_address.city", "order.salesChannel.marketplaceName"),
    ("billing_address.name", "order.orderId"),
)
ANYBODYS = (
    ("number", "order.orderId"),
    ("site", "order.salesChannel.marketplaceId"),
    ("total", "order.proceeds.grandTotal.amount"),
    ("service", "order.fulfillment.fulfillmentServiceLevel"),
    ("shipping_address.country", "order.recipient.deliveryAddress.countryCode"),
    ("shipping_address.state", "order.recipient.deliveryAddress.stateOrRegion"),
    ("sku", "order.orderItems.product.sellerSku"),
)


@pytest.mark.parametrize(("target", "field"), PERSONAL)
def test_what_is_read_from_personal_data_is_personal_whatever_the_target(target: str, field: str) -> None:
    assert is_personal(target, {field})
    assert is_personal(target, {field, "order.orderId"})


@pytest.mark.parametrize(("target", "field"), ANYBODYS)
def test_what_tells_of_nobody_is_not_personal(target: str, field: str) -> None:
    assert not is_personal(target, {field})


def test_neither_an_order_nor_its_issue_prints_personal_data() -> None:
    order = read(amazon_order(), template({"who": {"field": "order.buyer.buyerName"}}))

    assert "Jane" not in f"{order!r} {order.mapped!r} {OrderPage([json.dumps(amazon_order()).encode()], None, None)!r}"
    assert repr(order.mapped) == "Mapped(reference_number, ordered_on, who)"


@pytest.mark.parametrize(
    ("field", "further"),
    [
        ("order.orderId", set()),
        ("order.buyer.buyerEmail", {"BUYER"}),
        (CITY_FIELD, {"RECIPIENT"}),
        ("order.tax.taxInvoicing.invoiceStatus", {"TAX"}),
        ("order.orderItems.cancellation.cancellationRequest", {"CANCELLATION"}),
        ("order.fulfillmentOrders", {"FULFILLMENT_ORDERS"}),
        ("order", {"BUYER", "RECIPIENT", "EXPENSE", "PROMOTION", "CANCELLATION", "TAX", "PAYMENT", "FULFILLMENT_ORDERS"}),
    ],
)
def test_amazon_is_asked_for_the_blocks_that_the_template_reads_and_no_more(field: str, further: set[str]) -> None:
    always = {"FULFILLMENT", "PACKAGES", "PROCEEDS"}

    assert set(template({"target": {"field": field}}).included_data) == always | further
    rule = {"name": "R", "when": [{"field": field, "is": "empty"}], "then": [{"set": "target", "field": "order.orderId"}]}
    assert set(template({"target": {"value": "1", "rules": ["R"]}}, rules={"R": rule}).included_data) == always | further
