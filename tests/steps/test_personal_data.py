"""Personal data of orders: sealed wherever it rests, told only where the connection says so, erased in time."""

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.steps.orders import ago, change, events, get_orders, order, order_id, put, rows
from tests.steps.shop import NAME, Shop
from worker.core.json import decode
from worker.secrets import Secret, Vault, new_key
from worker.steps import announce
from worker.steps.keep_house import keep_house
from worker.store import orders as orders_store
from worker.store import outbox, sealed

MARK = "p3rs0nal"
BUYER = {
    "buyer": {"buyerName": f"{MARK} Roe", "buyerEmail": f"{MARK}@marketplace.amazon.com"},
    "recipient": {
        "deliveryAddress": {
            "name": f"{MARK} Roe",
            "addressLine1": f"1 {MARK} Street",
            "city": f"{MARK}ville",
            "postalCode": f"{MARK}98101",
            "phone": f"+1 {MARK}",
        }
    },
}
ADDRESS = "order.recipient.deliveryAddress"
TEMPLATE = {
    "reference_number": {"field": "order.orderId"},
    "ordered_on": {"field": "order.createdTime"},
    "customer": {"field": "order.buyer.buyerName"},
    "mail": {"field": "order.buyer.buyerEmail"},
    "shipping_address.name": {"field": f"{ADDRESS}.name"},
    "shipping_address.address_line_1": {"field": f"{ADDRESS}.addressLine1"},
    "shipping_address.city": {"field": f"{ADDRESS}.city"},
    "shipping_address.postal_code": {"field": f"{ADDRESS}.postalCode"},
    "shipping_address.country": {"field": f"{ADDRESS}.countryCode"},
    "phone": {"field": f"{ADDRESS}.phone"},
    "everything": {"field": "order"},
}


def marked(number: int = 1, **changes: Any) -> dict[str, object]:
    return order(number, amend=BUYER, **changes)


@pytest.fixture
def connected(shop: Shop) -> Shop:
    shop.connect(get_orders={"template": TEMPLATE})
    return shop


def everywhere(shop: Shop) -> str:
    """All that stands in any table, as Postgres writes it."""
    tables = shop.query(
        "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    )
    return "\n".join(str(row) for table in tables for row in shop.query(f'SELECT * FROM "{table["name"]}"'))


def opened(shop: Shop, number: int = 1) -> dict[str, Any]:
    """What the template made of an order, personal data included."""
    with shop.ctx.database.begin() as tx:
        (found,) = orders_store.shown(tx, shop.ctx.vault, order_id(number), connection=NAME)
    mapped: dict[str, Any] = found["mapped"]
    return mapped


def told(shop: Shop) -> list[dict[str, Any]]:
    """The data of the order events as they would be published now."""
    with shop.ctx.database.begin() as tx:
        made = [event for entry in outbox.oldest(tx, 100) if entry.kind == outbox.ORDER for event in announce._events(shop.ctx, tx, entry)]
    return [json.loads(event.body)["data"] for event in made]


@pytest.mark.requirement("R79")
def test_personal_data_is_in_no_table_no_log_no_summary_and_no_event(connected: Shop) -> None:
    put(connected, marked(1), marked(2, status="SHIPPED"), order(3, amend={**BUYER, "lastUpdatedTime": "yesterday"}))

    with capture_logs() as logged:
        summary = get_orders(connected)

    assert (summary["new"], summary["odd"]) == (2, 1)
    assert MARK not in everywhere(connected)
    assert MARK not in json.dumps(summary) + str(logged) + json.dumps(told(connected))
    assert opened(connected)["customer"] == f"{MARK} Roe"
    assert opened(connected)["everything"]["recipient"]["deliveryAddress"]["phone"] == f"+1 {MARK}"
    assert rows(connected)[0]["mapped"].keys() == {"reference_number", "ordered_on", "shipping_address.country"}


def test_a_connection_that_says_so_tells_personal_data_and_the_outbox_still_does_not_show_it(shop: Shop) -> None:
    shop.connect(get_orders={"template": TEMPLATE, "event_personal_data": True})
    put(shop, marked(1))

    get_orders(shop)

    assert MARK not in everywhere(shop)
    (event,) = told(shop)
    assert (event["mapped"]["shipping_address.city"], event["mapped"]["reference_number"]) == (f"{MARK}ville", order_id(1))


def test_an_event_whose_key_is_gone_goes_without_personal_data(shop: Shop) -> None:
    shop.connect(get_orders={"template": TEMPLATE, "event_personal_data": True})
    put(shop, marked(1))
    get_orders(shop)
    with shop.ctx.database.begin() as tx:
        (entry,) = [entry for entry in outbox.oldest(tx, 100) if entry.kind == outbox.ORDER]
    assert entry.payload is not None

    shop.execute("UPDATE outbox SET sealed = 'gAAAA' WHERE sealed IS NOT NULL")

    (event,) = told(shop)
    assert "shipping_address.city" not in event["mapped"]
    assert decode(entry.payload)["data"] == events(shop)[0], "and what rests beside it never had it"
    assert MARK not in repr(entry)


@pytest.mark.parametrize("status", ["SHIPPED", "CANCELLED"])
def test_personal_data_is_erased_thirty_days_after_the_order_was_closed(connected: Shop, status: str) -> None:
    put(connected, marked(1, status=status), marked(2), marked(3, status=status))
    get_orders(connected)
    connected.execute(f"UPDATE amazon_order SET closed_at = now() - interval '30 days' WHERE amazon_order_id <> '{order_id(3)}'")
    connected.execute(f"UPDATE amazon_order SET closed_at = NULL WHERE amazon_order_id = '{order_id(2)}'")

    keep_house(connected.ctx)
    keep_house(connected.ctx)

    first, second, third = rows(connected)
    assert (first["personal"], first["erased_at"] is not None) == (None, True)
    assert second["personal"] is not None, "it may still be shipped"
    assert third["personal"] is not None, "it was closed an hour ago"
    assert "customer" not in opened(connected)
    assert first["mapped"]["reference_number"] == order_id(1), "the order stays"


def test_what_was_erased_does_not_come_back(connected: Shop) -> None:
    closed = ago(days=31)
    put(connected, marked(1, status="SHIPPED", created_at=ago(days=40), updated_at=closed))
    get_orders(connected, order=order_id(1))
    (before,) = rows(connected)
    assert (before["personal"], before["erased_at"] is not None) == (None, True), "it came too late to be kept"

    assert get_orders(connected, order=order_id(1))["unchanged"] == 1
    package = {"packageReferenceId": "1", "shipTime": closed}
    change(connected, updated_at=ago(minutes=5), amend={"packages": [package]})
    assert get_orders(connected)["changed"] == 1

    assert [row["personal"] for row in rows(connected)] == [None]


@pytest.mark.parametrize("status", ["SHIPPED", "CANCELLED"])
def test_a_later_change_of_a_closed_order_begins_no_new_thirty_days(connected: Shop, status: str) -> None:
    put(connected, marked(1, status=status, created_at=ago(days=30), updated_at=ago(days=29)))
    get_orders(connected)
    (before,) = rows(connected)
    change(connected, updated_at=ago(hours=2))  # a refund: no package tells when it left

    assert get_orders(connected, order=order_id(1))["changed"] == 1

    (row,) = rows(connected)
    assert (row["closed_at"], row["personal"] is not None) == (before["closed_at"], True)
    assert get_orders(connected, order=order_id(1))["unchanged"] == 1


@pytest.mark.parametrize("status", ["SHIPPED", "CANCELLED"])
def test_what_was_erased_does_not_come_back_with_a_change_that_tells_of_no_package(shop: Shop, status: str) -> None:
    shop.connect(get_orders={"template": TEMPLATE, "event_personal_data": True})
    put(shop, marked(1, status=status, created_at=ago(days=40), updated_at=ago(days=31)))
    get_orders(shop, order=order_id(1))
    change(shop, updated_at=ago(minutes=5))

    assert get_orders(shop)["changed"] == 1

    (row,) = rows(shop)
    assert (row["personal"], row["erased_at"] is not None) == (None, True)
    assert MARK not in json.dumps(told(shop))


def test_personal_data_of_an_order_that_no_run_closes_is_erased_in_the_end(connected: Shop) -> None:
    put(connected, marked(1), marked(2))
    get_orders(connected)
    connected.execute(f"UPDATE amazon_order SET updated_at = now() - interval '180 days' WHERE amazon_order_id = '{order_id(1)}'")

    keep_house(connected.ctx)

    assert [row["personal"] is None for row in rows(connected)] == [True, False]


def test_personal_data_of_a_target_that_the_template_has_no_more_goes_when_the_order_is_asked_for(connected: Shop) -> None:
    put(connected, marked(1))
    get_orders(connected)
    connected.connect(get_orders={"template": {target: TEMPLATE[target] for target in ("reference_number", "ordered_on", "customer")}})

    assert get_orders(connected, order=order_id(1))["changed"] == 1

    assert opened(connected).keys() == {"reference_number", "ordered_on", "customer"}


def test_personal_data_that_amazon_withholds_later_is_kept_for_the_same_version(connected: Shop) -> None:
    put(connected, marked(1))
    get_orders(connected)

    for count in (1, 2):
        connected.simulator.fault("personal_data_withheld", operation="getOrder")
        get_orders(connected, order=order_id(1))
        assert opened(connected)["customer"] == f"{MARK} Roe", count


def test_personal_data_that_amazon_shows_only_later_comes_when_the_order_is_asked_for_by_its_id(shop: Shop) -> None:
    shop.connect()
    put(shop, marked(1))
    shop.simulator.fault("personal_data_withheld")
    get_orders(shop)
    before = opened(shop)

    assert get_orders(shop, order=order_id(1))["changed"] == 1

    assert "shipping_address.address_line_1" not in before
    assert opened(shop)["shipping_address.address_line_1"] == f"1 {MARK} Street"


def test_personal_data_belongs_to_its_order(connected: Shop) -> None:
    put(connected, marked(1), marked(2))
    get_orders(connected)
    connected.execute(
        f"UPDATE amazon_order SET personal = (SELECT o.personal FROM amazon_order o WHERE o.amazon_order_id = '{order_id(2)}')"
    )

    with pytest.raises(Exception, match="ciphertext of another row"):
        opened(connected, 1)


def test_every_column_that_the_schema_calls_sealed_is_rotated(connected: Shop) -> None:
    found = connected.query(
        "SELECT table_name || '.' || column_name AS name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND data_type = 'bytea' ORDER BY 1"
    )
    in_clear = {"feed.document", "feed.report", "identity.digest", "message.body", "rejected.body"}
    columns = {row["name"] for row in found if not row["name"].split(".")[0].rsplit("_", 1)[-1].isdigit() and "_default" not in row["name"]}

    assert columns - in_clear == {str(column) for column in sealed.COLUMNS}


def test_rotation_seals_everything_under_the_newest_key_beside_running_workers(shop: Shop) -> None:
    shop.connect(get_orders={"template": TEMPLATE, "event_personal_data": True})
    put(shop, *(marked(number) for number in range(1, 6)))
    get_orders(shop)
    old = shop.ctx.settings.secret_keys[0].get_secret_value()
    newest = new_key()
    both, alone = Vault([newest, old]), Vault([newest])

    batches: list[int] = []
    first = {str(column): sealed.renew(shop.ctx.database, both, column, batches.append) for column in sealed.COLUMNS}
    second = {str(column): sealed.renew(shop.ctx.database, both, column, int) for column in sealed.COLUMNS}

    assert {name: each.renewed for name, each in first.items()} == {
        "account.client_secret": 0,
        "account.refresh_token": 1,
        "account.access_token": 1,
        "feed.upload_url": 0,
        "amazon_order.personal": 5,
        "outbox.sealed": 5,
    }
    assert sum(batches) == 12
    assert all(each.renewed == 0 and not each.unreadable for each in second.values()), "rotating again changes nothing"
    with shop.ctx.database.begin() as tx:
        (found,) = orders_store.shown(tx, alone, order_id(1), connection=NAME)
    assert found["mapped"]["customer"] == f"{MARK} Roe"
    lost = sealed.renew(shop.ctx.database, Vault([new_key()]), sealed.COLUMNS[4], int)
    assert lost.unreadable == [f"1:{order_id(number)}" for number in range(1, 6)]


def test_rotation_in_batches_leaves_alone_what_a_worker_has_written_meanwhile(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "ROWS_AT_ONCE", 2)
    shop.connect(get_orders={"template": TEMPLATE})
    put(shop, *(marked(number) for number in range(1, 6)))
    get_orders(shop)
    old, newest = shop.ctx.settings.secret_keys[0].get_secret_value(), new_key()

    class Busy(Vault):
        """A worker writes the third order while the rotation has read it."""

        def renewed(self, given: bytes) -> bytes | None:
            written = self.seal(orders_store.place(1, order_id(3)), Secret('{"customer":"new"}'))
            with shop.ctx.database.begin() as tx:
                tx.exec_driver_sql("UPDATE amazon_order SET personal = %s WHERE amazon_order_id = %s", (written, order_id(3)))
            return super().renewed(given)

    done = sealed.renew(shop.ctx.database, Busy([newest, old]), sealed.COLUMNS[4], int)

    assert (done.seen, done.renewed) == (5, 4)
    with shop.ctx.database.begin() as tx:
        (found,) = orders_store.shown(tx, Vault([newest]), order_id(3), connection=NAME)
    assert found["mapped"]["customer"] == "new"
