"""The Feeds API through the gateway: one feed from document to report, and everything that goes wrong on the way."""

import json
from collections.abc import Callable
from datetime import timedelta
from threading import Timer

import pytest

from ops.simulator.control import Simulator
from tests.amazon.accounts import CREDENTIALS, US, Worker
from tests.amazon.conftest import StartWorker
from tests.tcp_proxy import TcpProxy
from worker.core.accounts import Seller
from worker.core.quota import Lease, operations_of_feed
from worker.errors import Later, NotSent, Refused, Unclear
from worker.secrets import Secret
from worker.settings import MIB
from worker.store import quota

OpenProxy = Callable[[str], TcpProxy]
FEED_TYPE = "JSON_LISTINGS_FEED"
CONTENT_TYPE = "application/json; charset=UTF-8"


def document(quantity: int = 5) -> bytes:
    value = {"fulfillment_channel_code": "DEFAULT", "quantity": quantity}
    patch = {"op": "merge", "path": "/attributes/fulfillment_availability", "value": [value]}
    message = {"messageId": 1, "sku": "A", "operationType": "PATCH", "productType": "PRODUCT", "patches": [patch]}
    return json.dumps({"header": {"sellerId": CREDENTIALS.seller_id, "version": "2.0"}, "messages": [message]}).encode()


def upload(worker: Worker, seller: Seller) -> str:
    made = worker.amazon.create_feed_document(seller, CONTENT_TYPE)
    worker.amazon.upload(made.url, document(), CONTENT_TYPE)
    return made.feed_document_id


def send(worker: Worker, seller: Seller) -> str:
    return worker.amazon.create_feed(seller, FEED_TYPE, upload(worker, seller))


def result_of(simulator: Simulator, worker: Worker, seller: Seller) -> str:
    """Send a feed, let it be processed, and return the id of its report."""
    feed_id = send(worker, seller)
    simulator.advance(3600)
    found = worker.amazon.get_feed(seller, feed_id)
    assert found.processing_status == "DONE"
    assert found.result_feed_document_id is not None
    return found.result_feed_document_id


def lease_of(worker: Worker, seller: Seller, life_seconds: float = 60) -> Lease:
    with worker.database.begin() as tx:
        taken = quota.take(tx, seller.account.id, operations_of_feed(FEED_TYPE), life_seconds=life_seconds)
    assert isinstance(taken, str)
    return taken


def tokens_left(worker: Worker, operation: str) -> float:
    with worker.database.begin() as tx:
        return next(left.tokens for left in quota.quota_left(tx) if left.operation == operation)


def test_a_feed_goes_from_document_to_report(simulator: Simulator, worker: Worker, seller: Seller) -> None:
    simulator.put_catalogue(CREDENTIALS.seller_id, US, [{"sku": "A", "quantity": 1}])

    report = worker.amazon.get_result(seller, result_of(simulator, worker, seller))

    assert json.loads(report)["summary"]["messagesAccepted"] == 1
    assert simulator.catalogue(CREDENTIALS.seller_id, US)["A"]["quantity"] == 5


def test_all_feeds_of_a_type_are_listed_over_all_pages(
    simulator: Simulator, worker: Worker, seller: Seller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.amazon.feeds.PAGE_SIZE", 2)
    sent = {send(worker, seller) for _ in range(5)}

    found = worker.amazon.get_feeds(seller, FEED_TYPE, worker.clock.now() - timedelta(minutes=2))

    assert {feed.feed_id for feed in found} == sent
    assert len(simulator.calls("getFeeds")) == 3
    assert worker.amazon.get_feeds(seller, FEED_TYPE, worker.clock.now() + timedelta(minutes=1)) == []


def test_a_waiting_feed_is_cancelled(simulator: Simulator, worker: Worker, seller: Seller) -> None:
    simulator.set_limits(queue_seconds=60)
    feed_id = send(worker, seller)

    worker.amazon.cancel_feed(seller, feed_id)

    assert worker.amazon.get_feed(seller, feed_id).processing_status == "CANCELLED"


def test_a_lease_taken_at_the_cut_is_used_and_ended(worker: Worker, seller: Seller) -> None:
    document_id, lease = upload(worker, seller), lease_of(worker, seller)

    worker.amazon.create_feed(seller, FEED_TYPE, document_id, lease)

    assert tokens_left(worker, f"createFeed:{FEED_TYPE}") == 4
    with worker.database.begin() as tx:
        assert not quota.alive(tx, seller.account.id, operations_of_feed(FEED_TYPE), lease)


def test_a_dead_lease_is_replaced_or_the_feed_waits(simulator: Simulator, worker: Worker, seller: Seller) -> None:
    document_id, dead = upload(worker, seller), lease_of(worker, seller, life_seconds=0)
    worker.amazon.create_feed(seller, FEED_TYPE, document_id, dead)
    for _ in range(3):
        worker.amazon.create_feed(seller, FEED_TYPE, document_id)

    with pytest.raises(Later) as later:
        worker.amazon.create_feed(seller, FEED_TYPE, document_id, dead)

    assert (later.value.at - worker.clock.now()).total_seconds() == pytest.approx(300, abs=20)
    assert len(simulator.feeds()) == 4


@pytest.mark.parametrize(
    ("fault", "options"),
    [("drop_after", {}), ("drop_before", {}), ("error_after", {"status": 500}), ("error_after", {"status": 503, "body": "html"})],
)
def test_a_lost_answer_to_createfeed_is_unclear_and_counts_as_a_call(
    simulator: Simulator, worker: Worker, seller: Seller, fault: str, options: dict[str, object]
) -> None:
    document_id = upload(worker, seller)
    simulator.fault(fault, operation="createFeed", **options)

    with pytest.raises(Unclear):
        worker.amazon.create_feed(seller, FEED_TYPE, document_id)

    assert len(simulator.calls("createFeed")) == 1
    assert tokens_left(worker, f"createFeed:{FEED_TYPE}") == 4


def test_a_connection_that_was_never_made_is_not_sent_and_costs_nothing(new_worker: StartWorker, seller: Seller, worker: Worker) -> None:
    document_id = upload(worker, seller)
    elsewhere = new_worker(sp_api_url="http://127.0.0.1:9")

    with pytest.raises(NotSent):
        elsewhere.amazon.create_feed(seller, FEED_TYPE, document_id)

    assert tokens_left(worker, f"createFeed:{FEED_TYPE}") == 5


def test_a_refused_feed_says_amazons_code_and_request(simulator: Simulator, worker: Worker, seller: Seller) -> None:
    with pytest.raises(Refused) as refused:
        worker.amazon.create_feed(seller, FEED_TYPE, "no-such-document")

    assert (refused.value.status, refused.value.code) == (400, "InvalidInput")
    assert refused.value.request_id == simulator.calls("createFeed")[0]["request_id"]


def test_a_missing_role_refuses_the_one_operation_and_not_the_account(simulator: Simulator, worker: Worker, seller: Seller) -> None:
    simulator.fault("role_missing", operation="getFeed")

    with pytest.raises(Refused) as refused:
        worker.amazon.get_feed(seller, "1")

    assert (refused.value.status, refused.value.code) == (403, "Unauthorized")
    assert upload(worker, seller)
    assert simulator.call_counts()["token"] == {"200": 1}


def test_an_expired_token_at_createfeed_costs_one_more_call_and_makes_one_feed(
    simulator: Simulator, worker: Worker, seller: Seller
) -> None:
    document_id, lease = upload(worker, seller), lease_of(worker, seller)
    simulator.fault("token_expired", operation="createFeed")

    worker.amazon.create_feed(seller, FEED_TYPE, document_id, lease)

    assert [call["status"] for call in simulator.calls("createFeed")] == [403, 202]
    assert len(simulator.feeds()) == 1


def test_a_429_that_is_not_our_doing_empties_the_bucket_and_is_counted(
    simulator: Simulator, new_worker: StartWorker, seller: Seller
) -> None:
    seen: list[str] = []
    worker = new_worker(throttled=seen.append)
    simulator.fault("throttle", operation="createFeedDocument")

    with pytest.raises(Later) as later:
        worker.amazon.create_feed_document(seller, CONTENT_TYPE)
    with pytest.raises(Later):
        worker.amazon.create_feed_document(seller, CONTENT_TYPE)

    assert 1 < (later.value.at - worker.clock.now()).total_seconds() < 3.1
    assert seen == ["createFeedDocument"]
    assert len(simulator.calls("createFeedDocument")) == 1


def test_every_exchange_is_observed_with_its_status(simulator: Simulator, new_worker: StartWorker, seller: Seller) -> None:
    seen: list[tuple[str, str]] = []
    worker = new_worker(observe=lambda operation, status, seconds: seen.append((operation, status)))
    simulator.fault("drop_before", operation="createFeedDocument")

    with pytest.raises(Unclear):
        upload(worker, seller)
    upload(worker, seller)

    assert seen == [("token", "200"), ("createFeedDocument", "no_answer"), ("createFeedDocument", "201"), ("uploadDocument", "200")]


def test_an_upload_of_another_content_type_is_refused_and_the_url_is_not_told(worker: Worker, seller: Seller) -> None:
    made = worker.amazon.create_feed_document(seller, CONTENT_TYPE)

    with pytest.raises(Refused) as refused:
        worker.amazon.upload(made.url, document(), "application/json")

    assert (refused.value.status, refused.value.code) == (403, "SignatureDoesNotMatch")
    assert made.url.reveal() not in f"{refused.value} {refused.value!r} {vars(refused.value)}"


def test_an_upload_outlasts_a_pause_of_the_network(worker: Worker, seller: Seller, simulator: Simulator, tcp_proxy: OpenProxy) -> None:
    proxy = tcp_proxy(simulator.url)
    made = worker.amazon.create_feed_document(seller, CONTENT_TYPE)
    largest = document().ljust(10 * MIB)
    proxy.hold()
    healing = Timer(4, proxy.heal)
    healing.start()

    worker.amazon.upload(Secret(proxy.url(made.url.reveal())), largest, CONTENT_TYPE)

    healing.join()
    assert simulator.call_counts()["uploadDocument"] == {"200": 1}


def test_an_upload_that_s3_fails_may_be_repeated(simulator: Simulator, worker: Worker, seller: Seller) -> None:
    made = worker.amazon.create_feed_document(seller, CONTENT_TYPE)
    simulator.fault("upload_error", status=503)

    with pytest.raises(Unclear):
        worker.amazon.upload(made.url, document(), CONTENT_TYPE)
    worker.amazon.upload(made.url, document(), CONTENT_TYPE)


@pytest.mark.requirement("R4")
def test_a_presigned_url_never_sees_the_access_token(simulator: Simulator, worker: Worker, seller: Seller) -> None:
    """S3 refuses signed requests with further credentials; the simulator does, too."""
    made = worker.amazon.create_feed_document(seller, CONTENT_TYPE)

    worker.amazon.upload(made.url, document(), CONTENT_TYPE)

    assert made.url.reveal() not in repr(made)
    assert simulator.call_counts()["uploadDocument"] == {"200": 1}


@pytest.mark.parametrize("body", ["length", "gzip", "json"])
def test_a_report_that_ends_early_decides_nothing_and_is_downloaded_again(
    simulator: Simulator, worker: Worker, seller: Seller, body: str
) -> None:
    result_id = result_of(simulator, worker, seller)
    simulator.fault("download_truncated", body=body)

    with pytest.raises(Unclear):
        worker.amazon.get_result(seller, result_id)

    assert json.loads(worker.amazon.get_result(seller, result_id))["summary"]["messagesProcessed"] == 1


@pytest.mark.requirement("R27")
@pytest.mark.parametrize("body", ["plain", "gzip"])
def test_a_report_is_read_by_its_bytes_whatever_the_gzip_flag_says(simulator: Simulator, worker: Worker, seller: Seller, body: str) -> None:
    result_id = result_of(simulator, worker, seller)
    simulator.fault("gzip_flag_lies", body=body)

    assert json.loads(worker.amazon.get_result(seller, result_id))["summary"]["messagesProcessed"] == 1


def test_a_report_whose_gzip_has_several_members_is_read_to_its_end(simulator: Simulator, worker: Worker, seller: Seller) -> None:
    result_id = result_of(simulator, worker, seller)
    simulator.fault("gzip_in_members")

    assert json.loads(worker.amazon.get_result(seller, result_id))["summary"]["messagesProcessed"] == 1
    assert simulator.call("GET", "/faults")[0]["struck"] == 1


def test_a_report_that_is_gone_is_refused(simulator: Simulator, worker: Worker, seller: Seller) -> None:
    result_id = result_of(simulator, worker, seller)
    simulator.fault("document_gone")

    with pytest.raises(Refused) as refused:
        worker.amazon.get_result(seller, result_id)

    assert refused.value.status == 404


def test_a_report_larger_than_can_be_held_is_refused(
    simulator: Simulator, worker: Worker, seller: Seller, monkeypatch: pytest.MonkeyPatch
) -> None:
    result_id = result_of(simulator, worker, seller)
    monkeypatch.setattr("worker.amazon.documents.MOST_RESULT_BYTES", 100)

    with pytest.raises(Refused, match="ANSWER_TOO_LARGE"):
        worker.amazon.get_result(seller, result_id)


def test_an_answer_cut_by_the_network_is_unclear(
    new_worker: StartWorker, seller: Seller, simulator: Simulator, tcp_proxy: OpenProxy
) -> None:
    proxy = tcp_proxy(simulator.url)
    worker = new_worker(sp_api_url=proxy.url(simulator.url))
    document_id = upload(worker, seller)
    proxy.drop_answer_after(10)

    with pytest.raises(Unclear):
        worker.amazon.create_feed(seller, FEED_TYPE, document_id)

    assert len(simulator.feeds()) == 1
