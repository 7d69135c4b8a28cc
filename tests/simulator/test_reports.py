"""Listings reports: their lives, their encodings, and downloads that are not what they should be."""

import gzip
import zlib
from pathlib import Path
from typing import Any

import pytest
import urllib3

from ops.simulator.control import Simulator
from ops.simulator.listings_report import COLUMNS
from tests.simulator.client import CANADA, GERMANY, REPORT_TYPE, US, Client

REPORTS = "/reports/2021-06-30/reports"
JAPAN = "A1VC38T7YXB528"


@pytest.fixture
def client(client: Client) -> Client:
    client.stock(
        {"sku": "A", "asin": "B07X4K9Y9Z", "price": "10.00", "quantity": 1, "title": "Café “Blue”"},
        {"sku": "F", "fulfillment_channel": "AMAZON_NA", "quantity": 50, "title": "Widget"},
    )
    return client


def content(client: Client, **changes: object) -> bytes:
    """The bytes of a new report, unpacked."""
    document = client.report_document(client.request_report(**changes)["reportDocumentId"])
    body = client.get(document["url"]).body
    return gzip.decompress(body) if document.get("compressionAlgorithm") == "GZIP" else body


def rows(raw: bytes, encoding: str = "cp1252") -> list[dict[str, str]]:
    header, *lines = raw.decode(encoding).splitlines()
    return [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]


def test_a_report_goes_from_the_queue_to_its_document(simulator: Simulator, client: Client) -> None:
    simulator.set_limits(report_queue_seconds=10)
    report_id = client.create_report(dataStartTime="2026-08-01T00:00:00Z").json["reportId"]

    waiting = client.report_of(report_id)
    simulator.advance(10)
    running = client.report_of(report_id)
    simulator.advance(60)
    done = client.report_of(report_id)

    assert [found["processingStatus"] for found in (waiting, running, done)] == ["IN_QUEUE", "IN_PROGRESS", "DONE"]
    assert ("reportDocumentId" in running, "reportDocumentId" in done) == (False, True)
    assert (done["reportType"], done["marketplaceIds"], done["dataStartTime"]) == (REPORT_TYPE, [US], "2026-08-01T00:00:00+00:00")


def test_the_report_has_a_line_for_each_listing_and_every_documented_column(client: Client) -> None:
    raw = content(client)

    first, second = rows(raw)
    assert tuple(first) == COLUMNS
    assert raw.count(b"\r\n") == 3
    assert (first["seller-sku"], first["item-name"], first["price"], first["quantity"]) == ("A", "Café “Blue”", "10.00", "1")
    assert (first["asin1"], first["product-id-type"], first["fulfillment-channel"], first["status"]) == (
        "B07X4K9Y9Z",
        "1",
        "DEFAULT",
        "Active",
    )
    assert (second["quantity"], second["fulfillment-channel"], second["status"]) == ("", "AMAZON_NA", "Inactive")


def test_what_the_encoding_does_not_have_is_a_question_mark(client: Client) -> None:
    client.stock({"sku": "A", "title": "Café ☕"})

    assert b"Caf\xe9 ?" in content(client)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "cp1252"])
def test_a_report_comes_in_any_encoding_and_says_so_or_not(simulator: Simulator, client: Client, encoding: str) -> None:
    client.stock({"sku": "J", "title": "青い cup"})
    simulator.set_limits(report={"encoding": encoding, "compress": False})

    document = client.report_document(client.request_report()["reportDocumentId"])
    answer = client.get(document["url"])
    simulator.set_limits(report={"encoding": encoding, "charset": "", "compress": False})
    silent = client.get(client.report_document(client.request_report()["reportDocumentId"])["url"])

    assert "compressionAlgorithm" not in document
    assert "青い cup" in answer.body.decode(encoding) or encoding == "cp1252"
    charsets = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8", "cp932": "Shift_JIS", "cp1252": "Cp1252"}
    assert answer.headers["Content-Type"] == f"text/plain; charset={charsets[encoding]}"
    assert silent.headers["Content-Type"] == "text/plain"


def test_japan_has_japanese_headers_in_shift_jis_unless_english_ones_are_asked_for(simulator: Simulator) -> None:
    seller = Client(simulator, simulator.register_seller("A3JAPAN", (JAPAN,)), JAPAN)
    seller.log_in()
    seller.stock({"sku": "J", "title": "青いカップ"})
    english = {"reportOptions": {"preferredReportDocumentLocale": "en_US"}}

    [japanese] = rows(content(seller), "cp932")
    [asked] = rows(content(seller, **english), "cp932")
    simulator.set_limits(report={"heeds_locale": False})
    [unheeded] = rows(content(seller, **english), "cp932")

    assert (japanese["出品者SKU"], japanese["商品名"]) == ("J", "青いカップ")
    assert asked["seller-sku"] == unheeded["出品者SKU"] == "J"
    seller.http.clear()


def test_columns_can_be_missing_added_and_moved(simulator: Simulator, client: Client) -> None:
    simulator.set_limits(report={"columns": ["seller-sku", "brand-new", "item-name"], "newline": "\n"})

    assert content(client).startswith(b"seller-sku\tbrand-new\titem-name\nA\t\tCaf")


def test_lines_beside_the_catalogue_are_made_or_given(client: Client) -> None:
    client.simulator.put_more_listings(
        client.seller_id, US, count=2, prefix="S-", start=9, digits=3, title="No. {sku}", lines=["broken", "A\tagain"]
    )

    _, *lines = content(client).decode("cp1252").splitlines()

    assert lines[2:4] == ["broken", "A\tagain"]
    assert [(line.split("\t")[3], line.split("\t")[0]) for line in lines[4:]] == [("S-009", "No. S-009"), ("S-010", "No. S-010")]


def test_a_report_without_data_is_cancelled_or_only_a_header(simulator: Simulator, client: Client) -> None:
    simulator.put_catalogue(client.seller_id, US, clear=True)

    cancelled = client.request_report()
    simulator.set_limits(empty_report="header")

    assert (cancelled["processingStatus"], "reportDocumentId" in cancelled) == ("CANCELLED", False)
    assert rows(content(client)) == []


def test_a_report_that_is_asked_for_too_often_is_cancelled(simulator: Simulator, client: Client) -> None:
    simulator.set_limits(report_interval_seconds=1800)

    statuses = [client.request_report()["processingStatus"] for _ in range(2)]
    other = client.request_report(marketplaceIds=[US, CANADA])["processingStatus"]
    simulator.advance(1800)

    assert (statuses, other) == (["DONE", "CANCELLED"], "DONE")
    assert client.request_report()["processingStatus"] == "DONE"


@pytest.mark.parametrize(("kind", "status"), [("report_cancelled", "CANCELLED"), ("report_fatal", "FATAL")])
def test_a_report_may_end_without_a_document(simulator: Simulator, client: Client, kind: str, status: str) -> None:
    simulator.fault(kind)

    ended = client.request_report()

    assert (ended["processingStatus"], "reportDocumentId" in ended) == (status, False)


def test_a_fatal_report_may_say_why(simulator: Simulator, client: Client) -> None:
    simulator.fault("report_fatal", report=True)

    ended = client.request_report()

    document = client.report_document(ended["reportDocumentId"])
    assert ended["processingStatus"] == "FATAL"
    assert client.get(document["url"]).body.startswith(b"The report could not be generated")


@pytest.mark.parametrize(("kind", "status"), [("report_stuck_in_queue", "IN_QUEUE"), ("report_stuck_in_progress", "IN_PROGRESS")])
def test_a_stuck_report_goes_on_when_it_is_released(simulator: Simulator, client: Client, kind: str, status: str) -> None:
    simulator.fault(kind)
    report = client.request_report()
    simulator.advance(86_400)
    client.log_in()
    stuck = client.report_of(report["reportId"])["processingStatus"]

    simulator.release_report(client.seller_id, report["reportId"])
    simulator.advance(60)

    assert stuck == status
    assert client.report_of(report["reportId"])["processingStatus"] == "DONE"
    assert [one["status"] for one in simulator.reports(client.seller_id)] == ["DONE"]


def test_only_a_queued_report_can_be_cancelled(simulator: Simulator, client: Client) -> None:
    simulator.set_limits(report_queue_seconds=10)
    queued = client.create_report().json["reportId"]
    running = client.create_report().json["reportId"]

    cancelled = client.call("DELETE", f"{REPORTS}/{queued}")
    simulator.advance(10)

    assert (cancelled.status, client.report_of(queued)["processingStatus"]) == (200, "CANCELLED")
    assert client.call("DELETE", f"{REPORTS}/{running}").status == 400
    assert client.call("DELETE", f"{REPORTS}/1").status == 404


@pytest.mark.parametrize(
    "changes",
    [
        {"reportType": "GET_SOMETHING"},
        {"reportType": 1},
        {"marketplaceIds": []},
        {"marketplaceIds": [GERMANY]},
        {"reportOptions": {"custom": True}},
        {"dataStartTime": "yesterday"},
        {"dataEndTime": "2099-01-01T00:00:00Z"},
    ],
)
def test_a_malformed_request_is_refused(client: Client, changes: dict[str, object]) -> None:
    answer = client.create_report(**changes)

    assert (answer.status, answer.error["message"]) == (400, "Invalid request parameters")


def test_reports_are_their_own_sellers(client: Client, other: Client) -> None:
    report = client.request_report()

    assert other.call("GET", f"{REPORTS}/{report['reportId']}").status == 404
    assert other.call("GET", f"/reports/2021-06-30/documents/{report['reportDocumentId']}").status == 404
    assert other.call("GET", f"{REPORTS}?reportTypes={REPORT_TYPE}").json == {"reports": []}


def test_reports_are_listed_newest_first_page_by_page(simulator: Simulator, client: Client) -> None:
    made = [client.request_report()["reportId"] for _ in range(3)]
    simulator.fault("getreports_lag", seconds=60)
    client.create_report()

    first = client.call("GET", f"{REPORTS}?reportTypes={REPORT_TYPE}&pageSize=2&processingStatuses=DONE").json
    second = client.call("GET", f"{REPORTS}?nextToken={first['nextToken']}").json
    beside = client.call("GET", f"{REPORTS}?reportTypes={REPORT_TYPE}&nextToken={first['nextToken']}")
    hidden = client.call("GET", f"{REPORTS}?reportTypes={REPORT_TYPE}").json["reports"]
    simulator.advance(60)

    assert [[one["reportId"] for one in page["reports"]] for page in (first, second)] == [[made[2], made[1]], [made[0]]]
    assert ("nextToken" in second, beside.status, len(hidden)) == (False, 400, 3)
    assert len(client.call("GET", f"{REPORTS}?reportTypes={REPORT_TYPE}").json["reports"]) == 4


def test_the_url_of_a_report_lives_for_five_minutes(simulator: Simulator, client: Client) -> None:
    document = client.report_document(client.request_report()["reportDocumentId"])
    fresh = client.get(document["url"]).status
    simulator.advance(301)

    assert (fresh, client.get(document["url"]).status) == (200, 403)


def test_content_encoding_is_named_when_it_is_asked_for(client: Client) -> None:
    document_id = client.request_report()["reportDocumentId"]
    document = client.report_document(document_id, "?enableContentEncodingUrlHeader=true")

    answer = client.get(document["url"], unpack=True)

    assert answer.headers["Content-Encoding"] == "gzip"
    assert rows(answer.body)[0]["seller-sku"] == "A"


def test_the_gzip_flag_of_a_report_lies_in_both_ways(simulator: Simulator, client: Client) -> None:
    document_id = client.request_report()["reportDocumentId"]
    simulator.fault("gzip_flag_lies", body="plain", operation="getReportDocument")
    named = client.report_document(document_id)
    simulator.fault("gzip_flag_lies", body="gzip")
    unnamed = client.report_document(document_id)

    assert named["compressionAlgorithm"] == "GZIP"
    assert client.get(named["url"]).body.startswith(b"item-name\t")
    assert "compressionAlgorithm" not in unnamed
    assert client.get(unnamed["url"]).body.startswith(b"\x1f\x8b")


@pytest.fixture
def url(client: Client) -> str:
    client.simulator.put_more_listings(client.seller_id, US, count=5000)
    return client.report_document(client.request_report()["reportDocumentId"])["url"]


def test_a_report_is_a_page_of_html(simulator: Simulator, client: Client, url: str) -> None:
    simulator.fault("download_html")

    answer = client.get(url)

    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html")
    assert answer.body.startswith(b"<html>")


def test_a_report_breaks_off_with_its_connection(simulator: Simulator, client: Client, url: str) -> None:
    simulator.fault("download_truncated", body="length")

    with pytest.raises(urllib3.exceptions.ProtocolError):
        client.get(url)


def test_a_report_is_a_gzip_stream_without_its_end(simulator: Simulator, client: Client, url: str) -> None:
    simulator.fault("download_truncated", body="gzip")

    with pytest.raises((EOFError, zlib.error)):
        gzip.decompress(client.get(url).body)


def test_a_report_is_cut_off_in_the_middle_of_a_line(simulator: Simulator, client: Client, url: str) -> None:
    simulator.fault("download_truncated", body="json")

    lines = gzip.decompress(client.get(url).body).split(b"\r\n")

    assert 1 < len(lines) < 1000
    assert lines[-1].count(b"\t") != len(COLUMNS) - 1


def test_a_large_report_is_made_while_it_is_sent(simulator: Simulator, client: Client) -> None:
    simulator.put_more_listings(client.seller_id, US, count=200_000, digits=7)
    document = client.report_document(client.request_report()["reportDocumentId"])
    before = _peak_kilobytes(simulator)

    response = client.http.request("GET", document["url"], preload_content=False, decode_content=False)
    unpacker, newlines, size = zlib.decompressobj(wbits=31), 0, 0
    for piece in response.stream(65536, decode_content=False):
        text = unpacker.decompress(piece)
        newlines, size = newlines + text.count(b"\n"), size + len(text)

    assert (newlines, unpacker.eof) == (200_003, True)
    # Some twenty megabytes went by; a small part of them was there at once.
    assert _peak_kilobytes(simulator) - before < size / 1024 / 4


def _peak_kilobytes(simulator: Simulator) -> int:
    assert simulator.process is not None
    status = Path(f"/proc/{simulator.process.pid}/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def test_the_quotas_of_reports_are_amazons(simulator: Simulator, client: Client) -> None:
    def burst(call: Any) -> int:
        """How many calls go through before the first 429."""
        return next(number for number in range(100) if call().status == 429)

    assert burst(client.create_report) == 15
    assert burst(lambda: client.call("GET", f"{REPORTS}?reportTypes={REPORT_TYPE}")) == 10
    simulator.advance(60)
    assert burst(client.create_report) == 1
