"""Each fault of the table, struck once; those of orders and reports have their tests there."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
import urllib3

from ops.simulator.control import Simulator, SimulatorError
from ops.simulator.faults import KINDS, Faults, Rule
from tests.eventually import eventually
from tests.simulator.client import FEED_TYPE, Client, availability, patch

PARTICIPATIONS = "/sellers/v1/marketplaceParticipations"
FEEDS = "/feeds/2021-06-30/feeds"
ONE = patch("A", availability(quantity=7))
TWO = (ONE, patch("B", availability(quantity=7)))


@pytest.fixture
def client(client: Client) -> Client:
    """A seller with two listings in stock once."""
    client.stock({"sku": "A", "quantity": 1}, {"sku": "B", "quantity": 1})
    return client


def test_every_kind_is_listed_with_a_sentence_and_has_a_test(simulator: Simulator) -> None:
    listed = simulator.call("GET", "/faults/kinds")
    source = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))

    assert {row["kind"] for row in listed} == set(KINDS)
    assert all(row["says"].endswith(".") for row in listed)
    assert [kind for kind in KINDS if f'"{kind}"' not in source] == []


def test_an_unknown_kind_or_field_is_refused_with_a_sentence(simulator: Simulator) -> None:
    with pytest.raises(SimulatorError, match="no kind of fault"):
        simulator.fault("gremlin")
    with pytest.raises(SimulatorError, match="unknown field"):
        simulator.fault("throttle", colour="red")


# --- any operation ---


def test_throttle_has_no_rate_header_and_no_effect(simulator: Simulator, client: Client) -> None:
    document_id = client.upload(b"{}")
    simulator.fault("throttle", operation="createFeed")

    throttled = client.create_feed(document_id)

    assert throttled.status == 429
    assert simulator.feeds() == []
    assert client.create_feed(document_id).status == 202
    assert [call.get("fault") for call in simulator.calls("createFeed")] == ["throttle", None]


@pytest.mark.parametrize(
    ("rule", "status", "body"),
    [
        ({}, 500, b'{"errors":[{"code":"InternalFailure","message":"We encountered an internal error.","details":""}]}'),
        ({"status": 503}, 503, b'{"errors":[{"code":"ServiceUnavailable","message":"Service is temporarily unavailable.","details":""}]}'),
        ({"body": "message"}, 500, b'{"message":"We encountered an internal error."}'),
        ({"body": "html", "status": 503}, 503, b"<html>"),
        ({"body": "empty"}, 500, b""),
    ],
)
def test_an_error_before_has_no_effect(simulator: Simulator, client: Client, rule: dict[str, Any], status: int, body: bytes) -> None:
    simulator.fault("error_before", operation="patchListingsItem", **rule)

    answer = client.call("PATCH", client.item_path("A"), {"productType": "PRODUCT", "patches": ONE["patches"]}, checked=False)

    assert answer.status == status
    assert answer.body.startswith(body)
    assert client.item("A")["quantity"] == 1


def test_an_error_after_has_its_full_effect(simulator: Simulator, client: Client) -> None:
    simulator.fault("error_after", operation="createFeed", status=503)

    answer = client.create_feed(client.upload(b"{}"))

    assert answer.status == 503
    assert len(simulator.feeds()) == 1


@pytest.mark.parametrize(("kind", "feeds"), [("drop_before", 0), ("drop_after", 1)])
def test_a_cut_connection_before_or_after_the_effect(simulator: Simulator, client: Client, kind: str, feeds: int) -> None:
    document_id = client.upload(b"{}")
    simulator.fault(kind, operation="createFeed")

    with pytest.raises(urllib3.exceptions.ProtocolError):
        client.create_feed(document_id)

    assert len(simulator.feeds()) == feeds
    assert simulator.calls("createFeed")[0]["status"] == 0
    assert client.create_feed(document_id).status == 202


def test_a_slow_answer_outlasts_the_clients_timeout_and_has_its_effect(simulator: Simulator, client: Client) -> None:
    simulator.fault("slow", operation="getMarketplaceParticipations", seconds=0.5)
    url, headers = simulator.url + PARTICIPATIONS, {"x-amz-access-token": client.token}

    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        client.http.request("GET", url, headers=headers, timeout=0.05)

    assert client.call("GET", PARTICIPATIONS).status == 200


def test_an_answer_may_be_late_though_its_effect_is_there(simulator: Simulator, client: Client) -> None:
    simulator.fault("slow_after", operation="createFeed", seconds=5)
    body = {"feedType": FEED_TYPE, "marketplaceIds": [client.marketplace_id], "inputFeedDocumentId": client.upload(b"{}")}
    headers = {"x-amz-access-token": client.token, "content-type": "application/json"}

    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        client.http.request("POST", simulator.url + FEEDS, body=json.dumps(body), headers=headers, timeout=0.05)

    eventually(simulator.feeds)
    assert simulator.calls("createFeed") == []


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        ("token_expired", "The access token you provided has expired."),
        ("token_revoked", "The access token you provided is revoked, malformed or invalid."),
        ("role_missing", ""),
    ],
)
def test_a_denied_call(simulator: Simulator, client: Client, kind: str, details: str) -> None:
    simulator.fault(kind, operation="getMarketplaceParticipations")

    answers = [client.call("GET", PARTICIPATIONS) for _ in range(2)]

    assert [answer.status for answer in answers] == [403, 200]
    assert answers[0].error["details"] == details


@pytest.mark.parametrize(
    ("kind", "status", "error"), [("refresh_revoked", 400, "invalid_grant"), ("client_invalid", 401, "invalid_client")]
)
def test_login_refused(simulator: Simulator, client: Client, kind: str, status: int, error: str) -> None:
    simulator.fault(kind)

    refused = client.log_in()

    assert (refused.status, refused.json["error"]) == (status, error)
    assert client.log_in().status == 200


def test_a_rule_hits_the_seller_and_the_calls_it_names(simulator: Simulator, client: Client, other: Client) -> None:
    simulator.fault("throttle", operation="getFeed", seller=client.seller_id, skip=1, count=2)

    mine = [client.call("GET", f"{FEEDS}/1").status for _ in range(4)]

    assert mine == [404, 429, 429, 404]
    assert other.call("GET", f"{FEEDS}/1").status == 404
    assert client.call("GET", PARTICIPATIONS).status == 200


def test_chance_with_a_seed_is_repeatable() -> None:
    def strikes() -> list[bool]:
        faults = Faults()
        faults.add(Rule(kind="throttle", count="always", probability=0.5, seed=7))
        return [faults.strike("throttle", operation="getFeed") is not None for _ in range(50)]

    assert strikes() == strikes()
    assert 10 < sum(strikes()) < 40


def test_a_rule_that_always_strikes_ends_when_it_is_removed(simulator: Simulator, client: Client) -> None:
    fault_id = simulator.fault("role_missing", count="always")

    denied = [client.call("GET", PARTICIPATIONS).status for _ in range(3)]
    simulator.clear_faults(fault_id)

    assert denied == [403] * 3
    assert client.call("GET", PARTICIPATIONS).status == 200


# --- the life of a feed ---


def test_a_feed_stuck_in_the_queue_goes_on_when_it_is_released(simulator: Simulator, client: Client) -> None:
    simulator.fault("feed_stuck_in_queue", feed_type=FEED_TYPE)
    feed_id = client.send(ONE)
    simulator.advance(3000)
    stuck = client.status(feed_id)

    simulator.release_feed(client.seller_id, feed_id)
    simulator.advance(120)

    assert stuck == "IN_QUEUE"
    assert client.status(feed_id) == "DONE"


def test_a_feed_stuck_in_progress_blocks_later_ones_and_applies_late(simulator: Simulator, client: Client) -> None:
    simulator.fault("feed_stuck_in_progress", seconds=1000)
    stuck, behind = client.send(ONE), client.send(patch("A", availability(quantity=8)))
    simulator.advance(500)
    client.patch_item("A", availability(quantity=99))
    blocked = [client.status(feed_id) for feed_id in (stuck, behind)]

    simulator.advance(501)
    after = client.item("A")["quantity"]

    assert blocked == ["IN_PROGRESS", "IN_QUEUE"]
    assert client.status(stuck) == "DONE"
    assert after == 7


def test_a_feed_is_cancelled_without_anybodys_asking(simulator: Simulator, client: Client) -> None:
    simulator.fault("feed_cancelled")
    feed_id = client.send(ONE)

    feed = client.feed(feed_id)

    assert feed["processingStatus"] == "CANCELLED"
    assert "resultFeedDocumentId" not in feed
    assert client.item("A")["quantity"] == 1


@pytest.mark.parametrize(("apply", "quantities"), [("none", [1, 1]), ("some", [7, 1]), ("all", [7, 7])])
def test_a_fatal_feed_may_have_applied_some(simulator: Simulator, client: Client, apply: str, quantities: list[int]) -> None:
    simulator.fault("feed_fatal", apply=apply)
    feed_id = client.send(*TWO)
    simulator.advance(120)

    feed = client.feed(feed_id)

    assert feed["processingStatus"] == "FATAL"
    assert "resultFeedDocumentId" not in feed
    assert [client.item(sku)["quantity"] for sku in "AB"] == quantities


def test_a_fatal_feed_may_have_a_report(simulator: Simulator, client: Client) -> None:
    simulator.fault("feed_fatal", report=True)

    assert client.process(*TWO)["summary"]["messagesProcessed"] == 2


def test_a_feed_is_done_without_a_result(simulator: Simulator, client: Client) -> None:
    simulator.fault("no_result_document")
    feed_id = client.send(ONE)
    simulator.advance(120)

    feed = client.feed(feed_id)

    assert feed["processingStatus"] == "DONE"
    assert "resultFeedDocumentId" not in feed


def test_a_feed_level_issue_decides_nothing(simulator: Simulator, client: Client) -> None:
    simulator.fault("feed_level_issue", code="4002006", message="Something about the feed.")

    report = client.process(*TWO)

    assert report["issues"] == [{"code": "4002006", "severity": "ERROR", "message": "Something about the feed."}]
    assert report["summary"]["messagesProcessed"] == 0
    assert client.item("A")["quantity"] == 1


def test_counters_may_be_off(simulator: Simulator, client: Client) -> None:
    simulator.fault("counters_off")

    summary = client.process(*TWO)["summary"]

    assert (summary["messagesProcessed"], summary["messagesAccepted"], summary["messagesInvalid"]) == (3, 2, 1)


def test_a_report_may_lack_the_items_that_were_asked_for(simulator: Simulator, client: Client) -> None:
    simulator.fault("items_left_out")

    report = client.process(*TWO)

    assert "items" not in report
    assert report["summary"]["messagesAccepted"] == 2


def test_an_issue_may_name_a_message_that_was_never_sent(simulator: Simulator, client: Client) -> None:
    simulator.fault("issue_for_unknown_message")

    [issue] = client.process(*TWO)["issues"]

    assert issue["messageId"] > 2


@pytest.mark.parametrize(("skus", "quantities"), [(None, [1, 1]), (["B"], [7, 1])])
def test_accepted_and_silently_not_applied(simulator: Simulator, client: Client, skus: list[str] | None, quantities: list[int]) -> None:
    simulator.fault("accepted_not_applied", skus=skus)

    report = client.process(*TWO)

    assert report["summary"]["messagesAccepted"] == 2
    assert [client.item(sku)["quantity"] for sku in "AB"] == quantities


def test_getfeeds_lags_behind_createfeed(simulator: Simulator, client: Client) -> None:
    simulator.fault("getfeeds_lag", seconds=30)
    feed_id = client.send(ONE)
    path = f"{FEEDS}?feedTypes={FEED_TYPE}"

    early = client.call("GET", path).json["feeds"]
    simulator.advance(30)
    late = client.call("GET", path).json["feeds"]

    assert early == []
    assert [feed["feedId"] for feed in late] == [feed_id]
    assert client.status(feed_id)


def test_the_same_document_makes_two_feeds_unless_it_is_refused(simulator: Simulator, client: Client) -> None:
    document_id = client.upload(b"{}")

    twice = [client.create_feed(document_id).status for _ in range(2)]
    simulator.fault("duplicate_document_refused")
    third = client.create_feed(document_id).status

    assert twice == [202, 202]
    assert third == 400


# --- documents ---


@pytest.mark.parametrize(("status", "code"), [(500, b"InternalError"), (503, b"SlowDown")])
def test_s3_fails_an_upload_and_the_object_stays_absent(simulator: Simulator, client: Client, status: int, code: bytes) -> None:
    document = client.create_document()
    simulator.fault("upload_error", status=status)

    failed = client.put(document["url"], b"{}")

    assert failed.status == status
    assert code in failed.body
    assert client.create_feed(document["feedDocumentId"]).status == 400
    assert client.put(document["url"], b"{}").status == 200


def test_an_upload_is_cut(simulator: Simulator, client: Client) -> None:
    document = client.create_document()
    simulator.fault("drop_before", operation="uploadDocument")

    with pytest.raises(urllib3.exceptions.ProtocolError):
        client.put(document["url"], b"{}")

    assert client.create_feed(document["feedDocumentId"]).status == 400


@pytest.fixture
def result(simulator: Simulator, client: Client) -> str:
    """The id of a result document."""
    feed_id = client.send(ONE)
    simulator.advance(120)
    found: str = client.feed(feed_id)["resultFeedDocumentId"]
    return found


def test_s3_fails_a_download(simulator: Simulator, client: Client, result: str) -> None:
    url = client.document(result)["url"]
    simulator.fault("download_error", status=503)

    assert [client.get(url).status for _ in range(2)] == [503, 200]


def test_a_download_is_shorter_than_its_content_length(simulator: Simulator, client: Client, result: str) -> None:
    url = client.document(result)["url"]
    simulator.fault("download_truncated", body="length")

    with pytest.raises(urllib3.exceptions.ProtocolError, match="IncompleteRead"):
        client.get(url)


def test_a_download_is_a_gzip_stream_without_its_end(simulator: Simulator, client: Client, result: str) -> None:
    url = client.document(result)["url"]
    simulator.fault("download_truncated", body="gzip")

    with pytest.raises((EOFError, zlib.error)):
        gzip.decompress(client.get(url).body)


def test_a_download_is_json_that_is_cut_off(simulator: Simulator, client: Client, result: str) -> None:
    url = client.document(result)["url"]
    simulator.fault("download_truncated", body="json")

    with pytest.raises(json.JSONDecodeError):
        json.loads(gzip.decompress(client.get(url).body))


def test_gzip_is_named_and_the_bytes_are_plain(simulator: Simulator, client: Client, result: str) -> None:
    simulator.fault("gzip_flag_lies", body="plain")

    document = client.document(result)

    assert document["compressionAlgorithm"] == "GZIP"
    assert client.get(document["url"]).body.startswith(b"{")


def test_the_bytes_are_gzip_and_nothing_is_named(simulator: Simulator, client: Client, result: str) -> None:
    simulator.fault("gzip_flag_lies", body="gzip")

    document = client.document(result)

    assert "compressionAlgorithm" not in document
    assert client.get(document["url"]).body.startswith(b"\x1f\x8b")


def test_a_gzip_stream_has_two_members(simulator: Simulator, client: Client, result: str) -> None:
    url = client.document(result)["url"]
    simulator.fault("gzip_in_members")

    body = client.get(url).body
    first = zlib.decompressobj(wbits=31)

    assert json.loads(gzip.decompress(body))["summary"]
    assert first.decompress(body) and first.unused_data.startswith(b"\x1f\x8b")  # noqa: PT018


def test_a_result_document_is_gone(simulator: Simulator, client: Client, result: str) -> None:
    simulator.fault("document_gone")

    assert client.call("GET", f"/feeds/2021-06-30/documents/{result}").status == 404


def test_a_url_expires_early(simulator: Simulator, client: Client) -> None:
    document = client.create_document()
    simulator.fault("url_expired_early", operation="uploadDocument")

    refused = client.put(document["url"], b"{}")

    assert refused.status == 403
    assert b"Request has expired" in refused.body
