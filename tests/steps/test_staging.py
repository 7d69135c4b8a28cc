"""Staging on a real Postgres: what is committed, what it supersedes, what is refused and kept."""

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.steps.shop import NAME, Shop
from worker import metrics
from worker.core.wire import Delivery
from worker.database import Transaction
from worker.store import keys

LISTING = {"type": "feedline.listing.v1", "title": "A mug", "asin": "B0EXAMPLE1", "condition": "New", "quantity": 1}
"""A listing message that lacks its SKU."""


def delivery(body: bytes) -> Delivery:
    return Delivery("feedline.inventory", body, "application/cloudevents+json", {})


def event(id_: str = "m1", **data: object) -> bytes:
    attributes = {"specversion": "1.0", "type": "feedline.inventory.v1", "id": id_, "source": "erp"}
    return json.dumps({**attributes, "data": {"connection": NAME, **data}}).encode()


@pytest.mark.requirement("R61", "R123")
def test_an_older_message_that_arrives_late_is_superseded_and_names_the_newer(shop: Shop) -> None:
    shop.connect()

    newer, older = shop.publish({"sku": "A", "price": "2.00", "sequence": 2}, {"sku": "A", "price": "1.00", "sequence": 1})

    found = shop.outcomes()
    assert (found[older]["outcome"], found[older]["superseded_by"]) == ("superseded", found[newer]["internal"])
    assert found[newer]["outcome"] is None


@pytest.mark.requirement("R123")
def test_a_repeat_has_no_second_effect_and_is_counted(shop: Shop) -> None:
    shop.connect()
    shop.publish({"id": "m1", "sku": "A", "quantity": 1, "sequence": 1})
    shop.publish({"id": "m2", "sku": "A", "quantity": 2, "sequence": 2})

    shop.publish({"id": "m1", "sku": "A", "quantity": 1, "sequence": 1}, {"id": "m1", "sku": "A", "quantity": 1, "sequence": 1})

    assert [row["number"] for row in shop.query("SELECT count(*) AS number FROM repeat")] == [2]
    assert len(shop.outcomes()) == 2
    assert shop.refused() == []
    assert shop.key("A")["pending"]["f"]["quantity"]["v"] == {"value": 2}


@pytest.mark.requirement("R123")
def test_messages_that_meet_a_pending_change_are_counted_whatever_becomes_of_them(shop: Shop) -> None:
    shop.connect()
    shop.lists("MUG-1")
    counter = metrics._coalesced.labels(NAME, "inventory")
    before = counter._value.get()

    shop.publish({"sku": "MUG-1", "price": "9.00", "sequence": 5})
    alone = counter._value.get() - before
    shop.publish({"sku": "MUG-1", "quantity": 5}, {"sku": "MUG-1", "price": "8.00", "sequence": 3}, source="wms")
    folded = counter._value.get() - before
    shop.run()
    shop.publish({"sku": "MUG-1", "quantity": 5})

    assert (alone, folded, counter._value.get() - before) == (0, 2, 2)


def test_a_repeat_within_one_batch_is_one_message(shop: Shop) -> None:
    shop.connect()

    shop.stage(delivery(event(sku="A", quantity=1)), delivery(event(sku="A", quantity=1)))

    assert len(shop.outcomes()) == 1
    assert len(shop.query("SELECT FROM repeat")) == 1


def test_an_id_that_was_used_for_other_content_is_kept_as_refused(shop: Shop) -> None:
    shop.connect()
    shop.stage(delivery(event(sku="A", quantity=1)))

    shop.stage(delivery(event(sku="A", quantity=2)))

    (kept,) = shop.refused()
    assert (kept["codes"], bytes(kept["body"])) == (["ID_REUSED"], event(sku="A", quantity=2))
    assert shop.key("A")["pending"]["f"]["quantity"]["v"] == {"value": 1}


@pytest.mark.requirement("R124")
def test_one_broken_delivery_does_not_stop_the_good_ones_of_its_batch(shop: Shop) -> None:
    shop.connect()
    broken = [b"{", b"\xff\xfe", event("m7", sku="A\u0007", price="-1"), event("m8", sku="A", price="19.990000000000000001")]

    shop.stage(delivery(event("m1", sku="A", price="0.1")), *map(delivery, broken), delivery(event("m2", sku="B", quantity=1)))

    assert shop.words("m1", "m2", "m7", "m8") == ["None", "None", "invalid", "invalid"]
    assert [bytes(kept["body"]) for kept in sorted(shop.refused(), key=lambda kept: broken.index(bytes(kept["body"])))] == broken
    assert shop.key("A")["pending"]["f"]["price"]["v"] == {"value": "0.1"}


def test_every_fault_of_a_message_is_told(shop: Shop) -> None:
    shop.connect()

    (sent,) = shop.publish({"sku": "A", "price": "1.999", "currency": "EUR", "quantity": 1.5, "handling_time": 31})

    codes = {issue["code"] for issue in shop.outcomes()[sent]["issues"]}
    assert codes == {"PRICE_TOO_PRECISE", "CURRENCY_MISMATCH", "QUANTITY_INVALID", "HANDLING_TIME_INVALID"}


@pytest.mark.requirement("R124")
@pytest.mark.parametrize(
    ("message", "codes"),
    [
        ({"sku": "A\a", "price": "1,99", "time": "soon"}, ["ATTRIBUTE_INVALID", "SKU_INVALID", "MONEY_INVALID"]),
        ({"price": "1,99"}, ["FIELD_MISSING", "MONEY_INVALID"]),
        ({"id": None, "sku": "A", "price": "1,99"}, ["ATTRIBUTE_MISSING", "MONEY_INVALID"]),
        ({**LISTING, "price": "1,99"}, ["FIELD_MISSING", "MONEY_INVALID"]),
        ({"connection": "Nobody's", "sku": ""}, ["SKU_INVALID", "CONNECTION_UNKNOWN"]),
        ({"connection": None, "sku": ""}, ["FIELD_MISSING", "SKU_INVALID"]),
    ],
)
def test_the_faults_of_the_door_hide_none_of_the_templates(shop: Shop, message: dict[str, object], codes: list[str]) -> None:
    shop.connect()

    shop.publish(message)

    (kept,) = shop.refused()
    assert kept["codes"] == codes


@pytest.mark.parametrize("text", ["\u0000", "\ud800", "\ufffe"])
def test_what_no_database_can_hold_is_refused_with_its_bytes(shop: Shop, text: str) -> None:
    shop.connect()
    body = event("m1", sku="A", quantity=1, note=text)
    sku = event("m2", sku=f"A{text}", quantity=1)

    shop.stage(delivery(sku), delivery(body), delivery(event("m3", sku="B", quantity=1)))

    assert sku in [bytes(kept["body"]) for kept in shop.refused()]
    assert shop.words("m3") == ["None"]


@pytest.mark.parametrize("sku", ["🛒-杯-Ø", "e\u0301", "a b", "'; DROP TABLE message; --", '{"a":1}', "\\N", "\\", '"', "{a,b}"])
def test_a_sku_is_kept_as_it_came(shop: Shop, sku: str) -> None:
    shop.connect()

    shop.publish({"sku": sku, "quantity": 1})

    assert shop.key(sku)["pending"]["f"]["quantity"]["v"] == {"value": 1}


@pytest.mark.requirement("R6")
def test_skus_that_differ_by_case_or_space_are_different_keys(shop: Shop) -> None:
    shop.connect()

    shop.publish({"sku": "abc", "quantity": 1}, {"sku": "ABC", "quantity": 2}, {"sku": " abc", "quantity": 3})

    assert sorted(row["key"] for row in shop.query("SELECT key FROM key_state")) == [" abc", "ABC", "abc"]


def test_a_message_for_an_unknown_connection_is_invalid(shop: Shop) -> None:
    shop.connect()

    (sent,) = shop.publish({"sku": "A", "quantity": 1, "connection": "Nobody's"})

    assert shop.outcomes()[sent]["outcome"] == "invalid"
    assert shop.outcomes()[sent]["reason"] == "CONNECTION_UNKNOWN"
    assert [kept["codes"] for kept in shop.refused()] == [["CONNECTION_UNKNOWN"]]


def test_a_sequence_that_is_left_out_later_is_invalid_and_kept(shop: Shop) -> None:
    shop.connect()
    shop.publish({"sku": "A", "quantity": 1, "sequence": 1})

    (sent,) = shop.publish({"sku": "A", "quantity": 2})

    assert shop.words(sent) == ["invalid"]
    assert [kept["codes"] for kept in shop.refused()] == [["SEQUENCE_MISSING"]]


def test_a_message_of_which_the_template_maps_nothing_is_skipped(shop: Shop) -> None:
    shop.connect()

    (sent,) = shop.publish({"sku": "A", "handling_time": 3})

    assert (shop.outcomes()[sent]["outcome"], shop.outcomes()[sent]["reason"]) == ("skipped", "nothing_to_send")
    assert shop.query("SELECT FROM key_state WHERE state <> 'idle'") == []


def test_an_invalid_message_is_logged_under_the_sku_of_its_valid_siblings(shop: Shop) -> None:
    shop.connect(sku_prefix="AMZ-")

    shop.publish({"sku": "AMZ-7", "price": "1,99"}, {"sku": "AMZ-7", "quantity": 1, "sequence": -1}, {"sku": "7", "quantity": 1})

    assert shop.query("SELECT key FROM message ORDER BY id") == [{"key": "7"}] * 3


@pytest.mark.requirement("R120", "R123")
def test_two_workers_with_the_same_deliveries_neither_double_nor_deadlock(open_shop: Callable[..., Shop]) -> None:
    workers = [open_shop(), open_shop()]
    workers[0].connect()
    batches = [
        [{"id": f"m{n}", "sku": f"S{(n * step) % 20}", "quantity": n, "sequence": n} for n in range(at, at + 50)]
        for at, step in ((0, 1), (25, 3), (50, 7), (0, 1))
    ]
    turns = [(worker, batches[::order]) for worker, order in zip(workers, (1, -1), strict=True)]

    def publish(worker: Shop, own: list[list[dict[str, object]]]) -> None:
        for batch in own:
            worker.publish(*batch)

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(publish, worker, own) for worker, own in turns]:
            done.result(timeout=30)

    shop = workers[0]
    ended_or_open = shop.query("SELECT count(*) AS messages, count(DISTINCT (source, external_id)) AS identities FROM message")
    assert ended_or_open == [{"messages": 100, "identities": 100}]
    pending = {
        int(number) for row in shop.query("SELECT pending FROM key_state WHERE pending IS NOT NULL") for number in row["pending"]["m"]
    }
    ended = {row["message_id"] for row in shop.query("SELECT message_id FROM outcome")}
    assert pending | ended == {row["id"] for row in shop.query("SELECT id FROM message")}
    assert not pending & ended


def test_a_batch_begins_anew_when_a_key_was_made_meanwhile(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.connect()
    save = keys.save

    def overtaken(tx: Transaction, rows: Iterable[keys.KeyRow]) -> None:
        monkeypatch.setattr(keys, "save", save)
        changed = list(rows)
        with shop.ctx.database.begin() as other:
            save(other, keys.lock(other, [row.name for row in changed]).values())
        save(tx, changed)

    monkeypatch.setattr(keys, "save", overtaken)
    (sent,) = shop.publish({"sku": "A", "quantity": 1})

    assert keys.save is save, "nobody overtook"
    assert len(shop.query("SELECT FROM message")) == 1
    assert shop.outcomes()[sent]["outcome"] is None
    assert shop.key("A")["pending"]["f"]["quantity"]["v"] == {"value": 1}
