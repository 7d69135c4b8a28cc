from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from ops.simulator.control import Simulator
from tests.simulator.client import CANADA, FEED_TYPE, GERMANY, US, Client, availability, patch

FEEDS = "/feeds/2021-06-30/feeds"
ONE = patch("A", availability(quantity=1))


def test_a_feed_waits_is_processed_and_is_done(simulator: Simulator, client: Client) -> None:
    simulator.set_limits(queue_seconds=5, processing_base_seconds=60, processing_seconds_per_message=1)
    feed_id = client.send(ONE)

    seen = [client.feed(feed_id)]
    for seconds in (5, 60, 1):
        simulator.advance(seconds)
        seen.append(client.feed(feed_id))

    assert [feed["processingStatus"] for feed in seen] == ["IN_QUEUE", "IN_PROGRESS", "IN_PROGRESS", "DONE"]
    assert "processingStartTime" not in seen[0]
    assert "processingEndTime" not in seen[2]
    assert seen[3]["resultFeedDocumentId"]
    assert set(seen[0]) == {"feedId", "feedType", "marketplaceIds", "createdTime", "processingStatus"}


def test_the_catalogue_changes_in_the_moment_a_feed_ends(simulator: Simulator, client: Client) -> None:
    client.stock({"sku": "A", "quantity": 9})
    client.send(ONE)

    simulator.advance(60)
    before = client.item("A")["quantity"]
    simulator.advance(1)
    after = client.item("A")["quantity"]

    assert (before, after) == (9, 1)


def test_feeds_of_one_seller_run_one_after_the_other_in_queue_order(simulator: Simulator, client: Client, other: Client) -> None:
    client.stock({"sku": "A", "quantity": 9})
    feeds = [client.send(patch("A", availability(quantity=number))) for number in (1, 2)]
    elsewhere = other.send(ONE)

    simulator.advance(61)
    statuses = [client.status(feed_id) for feed_id in feeds]
    quantity = client.item("A")["quantity"]
    simulator.advance(61)

    assert statuses == ["DONE", "IN_PROGRESS"]
    assert quantity == 1
    assert other.status(elsewhere) == "DONE"
    assert client.item("A")["quantity"] == 2


def test_time_stamps_are_real_though_the_clock_is_virtual(simulator: Simulator, client: Client) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    simulator.advance(86400)
    client.log_in()
    feed_id = client.send(ONE)
    simulator.advance(3000)

    feed = client.feed(feed_id)

    for name in ("createdTime", "processingStartTime", "processingEndTime"):
        assert before <= datetime.fromisoformat(feed[name]) <= datetime.now(UTC)


@pytest.mark.parametrize(
    "changes",
    [
        {"feedType": "NO_SUCH_TYPE"},
        {"feedType": None},
        {"marketplaceIds": []},
        {"marketplaceIds": [GERMANY]},
        {"marketplaceIds": [US, CANADA]},
        {"marketplaceIds": US},
        {"inputFeedDocumentId": "unknown"},
        {"feedOptions": {"metadata": 1}},
    ],
)
def test_every_fault_of_createfeed_has_the_same_text(client: Client, changes: dict[str, Any]) -> None:
    answer = client.create_feed(client.upload(b"{}"), **changes)

    assert answer.status == 400
    assert answer.error == {"code": "InvalidInput", "message": "Invalid request parameters", "details": ""}


def test_createfeed_wants_an_uploaded_document(simulator: Simulator, client: Client) -> None:
    absent = client.create_document()["feedDocumentId"]

    refused = client.create_feed(absent)
    simulator.set_limits(create_feed_without_upload="fatal")
    taken = client.create_feed(absent)
    simulator.advance(120)

    assert refused.status == 400
    assert client.feed(taken.json["feedId"])["processingStatus"] == "FATAL"


def test_five_listings_feeds_fit_into_any_five_minutes(simulator: Simulator, client: Client) -> None:
    document_id = client.upload(b"{}")
    statuses = []
    for _ in range(6):
        statuses.append(client.create_feed(document_id).status)
        simulator.advance(10)

    simulator.advance(239)
    too_early = client.create_feed(document_id).status
    simulator.advance(1)
    slid = [client.create_feed(document_id).status for _ in range(2)]

    assert statuses == [202] * 5 + [429]
    assert too_early == 429
    assert slid == [202, 429]


def test_a_call_that_the_window_refuses_takes_no_token(simulator: Simulator, client: Client) -> None:
    document_id = client.upload(b"{}")
    for _ in range(30):
        client.create_feed(document_id)

    simulator.set_limits(enforce_windows=False)
    rest = [client.create_feed(document_id).status for _ in range(11)]

    assert rest == [202] * 10 + [429]


def test_a_retired_feed_type_is_taken_and_ends_fatal(simulator: Simulator, client: Client) -> None:
    feed_id = client.create_feed(client.upload(b"<a/>"), feedType="POST_PRODUCT_DATA").json["feedId"]
    simulator.advance(120)

    feed = client.feed(feed_id)

    assert feed["processingStatus"] == "FATAL"
    assert "resultFeedDocumentId" not in feed


def test_only_a_feed_in_the_queue_can_be_cancelled(simulator: Simulator, client: Client) -> None:
    running, waiting = client.send(ONE), client.send(ONE)
    client.status(running)

    too_late = client.call("DELETE", f"{FEEDS}/{running}")
    cancelled = client.call("DELETE", f"{FEEDS}/{waiting}")
    again = client.call("DELETE", f"{FEEDS}/{waiting}")
    simulator.advance(240)

    assert (too_late.status, cancelled.status, again.status) == (400, 200, 400)
    assert cancelled.body == b""
    assert client.status(running) == "DONE"
    feed = client.feed(waiting)
    assert feed["processingStatus"] == "CANCELLED"
    assert "resultFeedDocumentId" not in feed


def test_a_feed_means_nothing_to_another_seller(client: Client, other: Client) -> None:
    feed_id = client.send(ONE)

    assert other.call("GET", f"{FEEDS}/{feed_id}").status == 404
    assert other.call("DELETE", f"{FEEDS}/{feed_id}").status == 404
    assert other.call("GET", f"{FEEDS}?feedTypes={FEED_TYPE}").json == {"feeds": []}


def test_getfeeds_shows_the_newest_first_page_by_page(simulator: Simulator, client: Client) -> None:
    sent = [client.send(ONE) for _ in range(5)]

    first = client.call("GET", f"{FEEDS}?feedTypes={FEED_TYPE},POST_PRODUCT_DATA&pageSize=3").json
    second = client.call("GET", f"{FEEDS}?nextToken={first['nextToken']}").json

    assert [feed["feedId"] for feed in first["feeds"] + second["feeds"]] == sent[::-1]
    assert "nextToken" not in second
    assert "inputFeedDocumentId" not in first["feeds"][0]


def test_getfeeds_filters(simulator: Simulator, client: Client) -> None:
    done = client.send(ONE)
    simulator.advance(61)
    client.marketplace_id = CANADA
    waiting = client.send(ONE)
    now = datetime.now(UTC)

    def found(query: str) -> list[str]:
        return [feed["feedId"] for feed in client.call("GET", f"{FEEDS}?feedTypes={FEED_TYPE}&{query}").json["feeds"]]

    assert found("processingStatuses=DONE") == [done]
    assert found("processingStatuses=IN_QUEUE,IN_PROGRESS") == [waiting]
    assert found(f"marketplaceIds={CANADA}") == [waiting]
    assert found(f"createdSince={quote((now - timedelta(minutes=2)).isoformat())}") == [waiting, done]
    assert found(f"createdSince={(now + timedelta(minutes=2)).strftime('%Y-%m-%dT%H:%M:%SZ')}") == []
    assert found(f"createdUntil={(now - timedelta(minutes=2)).strftime('%Y-%m-%dT%H:%M:%SZ')}") == []


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?pageSize=10",
        f"?feedTypes={FEED_TYPE}&pageSize=101",
        f"?feedTypes={FEED_TYPE}&pageSize=0",
        f"?feedTypes={FEED_TYPE}&processingStatuses=FINISHED",
        f"?feedTypes={FEED_TYPE}&createdSince=yesterday",
        "?nextToken=made-up",
        f"?nextToken=abc&feedTypes={FEED_TYPE}",
        "?nextToken={next_token}&marketplaceIds=ATVPDKIKX0DER",
        f"?feedTypes={','.join(['X'] * 11)}",
    ],
)
def test_malformed_searches_for_feeds_are_refused(client: Client, query: str) -> None:
    for _ in range(2):
        client.send(ONE)
    next_token = client.call("GET", f"{FEEDS}?feedTypes={FEED_TYPE}&pageSize=1").json["nextToken"]

    assert client.call("GET", FEEDS + query.replace("{next_token}", next_token)).status == 400


def test_the_admin_api_shows_every_feed_and_its_document(simulator: Simulator, client: Client) -> None:
    feed_id = client.send(ONE)
    simulator.advance(120)

    [feed] = simulator.feeds(seller=client.seller_id)

    assert feed["feed_id"] == feed_id
    assert (feed["status"], feed["messages"], feed["accepted"], feed["invalid"]) == ("DONE", 1, 1, 0)
    assert simulator.feed_document(client.seller_id, feed_id).startswith(b'{"header"')
    assert simulator.call("GET", f"/feeds/{client.seller_id}/{feed_id}/result")["issues"] == []
