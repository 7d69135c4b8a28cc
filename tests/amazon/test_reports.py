"""The Reports API through the gateway: one report from its request to its document, and everything that goes wrong on the way."""

import gzip
from datetime import timedelta

import pytest

from ops.simulator.control import Simulator
from tests.amazon.accounts import CREDENTIALS, US, Worker
from worker.core.accounts import Seller
from worker.errors import Refused, Unclear

REPORT_TYPE = "GET_MERCHANT_LISTINGS_ALL_DATA"


@pytest.fixture
def stocked(simulator: Simulator) -> Simulator:
    simulator.put_catalogue(CREDENTIALS.seller_id, US, [{"sku": "AMZ12345", "title": "Blue Widget"}, {"sku": "CAFÉ-1", "title": "Café"}])
    return simulator


def document_of(simulator: Simulator, worker: Worker, seller: Seller) -> str:
    """Ask for a report, let it be made, and return the id of its document."""
    report_id = worker.amazon.create_report(seller, REPORT_TYPE)
    simulator.advance(3600)
    found = worker.amazon.get_report(seller, report_id)
    assert found.processing_status == "DONE"
    assert found.report_document_id is not None
    return found.report_document_id


def downloaded(worker: Worker, seller: Seller, document_id: str) -> tuple[str | None, bytes]:
    with worker.amazon.report_document(seller, document_id) as download:
        return download.charset, b"".join(download.chunks)


@pytest.mark.requirement("R20")
def test_a_report_goes_from_request_to_document(stocked: Simulator, worker: Worker, seller: Seller) -> None:
    charset, content = downloaded(worker, seller, document_of(stocked, worker, seller))

    assert charset == "cp1252"
    assert "CAFÉ-1" in gzip.decompress(content).decode("cp1252")
    (asked,) = stocked.reports(CREDENTIALS.seller_id)
    assert asked["options"] == {"preferredReportDocumentLocale": "en_US"}


def test_a_report_that_is_not_ready_has_no_document(stocked: Simulator, worker: Worker, seller: Seller) -> None:
    stocked.set_limits(report_queue_seconds=60)

    found = worker.amazon.get_report(seller, worker.amazon.create_report(seller, REPORT_TYPE))

    assert (found.processing_status, found.report_document_id) == ("IN_QUEUE", None)


def test_all_reports_of_a_type_are_listed_over_all_pages(
    stocked: Simulator, worker: Worker, seller: Seller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.amazon.reports.PAGE_SIZE", 2)
    asked = {worker.amazon.create_report(seller, REPORT_TYPE) for _ in range(5)}

    found = worker.amazon.get_reports(seller, REPORT_TYPE, worker.clock.now() - timedelta(minutes=2))

    assert {report.report_id for report in found} == asked
    assert len(stocked.calls("getReports")) == 3
    assert worker.amazon.get_reports(seller, REPORT_TYPE, worker.clock.now() + timedelta(minutes=1)) == []


@pytest.mark.parametrize("kind", ["error_after", "drop_after"])
def test_a_lost_answer_of_create_report_is_unclear_and_the_report_is_listed(
    stocked: Simulator, worker: Worker, seller: Seller, kind: str
) -> None:
    stocked.fault(kind, operation="createReport")

    with pytest.raises(Unclear):
        worker.amazon.create_report(seller, REPORT_TYPE)

    (found,) = worker.amazon.get_reports(seller, REPORT_TYPE, worker.clock.now() - timedelta(minutes=2))
    assert found.processing_status in {"IN_QUEUE", "IN_PROGRESS", "DONE"}


def test_a_download_that_breaks_off_is_unclear_and_nothing_is_taken_for_its_end(stocked: Simulator, worker: Worker, seller: Seller) -> None:
    document_id = document_of(stocked, worker, seller)
    stocked.fault("download_truncated", body="length")

    with pytest.raises(Unclear):
        downloaded(worker, seller, document_id)

    assert downloaded(worker, seller, document_id)[1]


@pytest.mark.parametrize("kind", ["url_expired_early", "download_error"])
def test_a_url_that_gives_nothing_is_unclear_and_the_next_one_is_good(
    stocked: Simulator, worker: Worker, seller: Seller, kind: str
) -> None:
    document_id = document_of(stocked, worker, seller)
    stocked.fault(kind)

    with pytest.raises(Unclear) as unclear:
        downloaded(worker, seller, document_id)

    assert "X-Amz" not in str(unclear.value)
    assert downloaded(worker, seller, document_id)[1]


def test_a_document_past_its_retention_is_refused(stocked: Simulator, worker: Worker, seller: Seller) -> None:
    document_id = document_of(stocked, worker, seller)
    stocked.fault("document_gone")

    with pytest.raises(Refused, match="NotFound"):
        downloaded(worker, seller, document_id)


def test_a_download_is_read_as_it_comes_and_may_be_left_early(stocked: Simulator, worker: Worker, seller: Seller) -> None:
    stocked.put_more_listings(CREDENTIALS.seller_id, US, count=50_000)
    stocked.set_limits(report={"compress": False})
    document_id = document_of(stocked, worker, seller)

    with worker.amazon.report_document(seller, document_id) as download:
        first = next(download.chunks)

    assert 0 < len(first) <= 64 * 1024
    assert len(downloaded(worker, seller, document_id)[1]) > 50 * len(first)
