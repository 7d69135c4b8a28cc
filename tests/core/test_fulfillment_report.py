"""Amazon's XML processing report, and what it decides of each feed message."""

import pytest

from worker.core import report
from worker.core.fulfillment_report import read
from worker.core.report import Verdict

ORDERS = {1: "114-0000001-0000001", 2: "114-0000002-0000002", 3: "114-0000003-0000003"}


def result(number: int, code: int | str, severity: str = "Error", order: str | None = None) -> str:
    info = f"<AdditionalInfo><AmazonOrderID>{order}</AmazonOrderID></AdditionalInfo>" if order else ""
    return (
        f"<Result><MessageID>{number}</MessageID><ResultCode>{severity}</ResultCode><ResultMessageCode>{code}</ResultMessageCode>"
        f"<ResultDescription>It says &lt;so&gt;.</ResultDescription>{info}</Result>"
    )


def document(*results: str, counters: tuple[int, int, int] | None = (3, 3, 0), status: str = "Complete") -> bytes:
    names = ("MessagesProcessed", "MessagesSuccessful", "MessagesWithError")
    numbers = "" if counters is None else "".join(f"<{name}>{count}</{name}>" for name, count in zip(names, counters, strict=True))
    summary = f"<ProcessingSummary>{numbers}<MessagesWithWarning>0</MessagesWithWarning></ProcessingSummary>" if numbers else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><AmazonEnvelope><Header><DocumentVersion>1.02</DocumentVersion>'
        "<MerchantIdentifier>A1</MerchantIdentifier></Header><MessageType>ProcessingReport</MessageType><Message><MessageID>1</MessageID>"
        f"<ProcessingReport><DocumentTransactionID>1</DocumentTransactionID><StatusCode>{status}</StatusCode>{summary}{''.join(results)}"
        "</ProcessingReport></Message></AmazonEnvelope>"
    ).encode()


def decided(written: bytes, *, ended_well: bool = True) -> report.Decision:
    return report.decide(read(written), ORDERS, ended_well=ended_well)


@pytest.mark.requirement("R87")
def test_messages_that_are_not_named_went_well_and_warnings_count_as_taken() -> None:
    found = decided(document(result(2, 18028), result(3, 18029, "Warning"), counters=(3, 2, 1)))

    assert {number: verdict for number, (verdict, _) in found.verdicts.items()} == {
        2: Verdict.REJECTED,
        3: Verdict.ACCEPTED_WITH_WARNINGS,
    }
    assert found.undecided == frozenset()
    assert [(issue.code, issue.message) for issue in found.verdicts[2][1]] == [("18028", "It says <so>.")]


def test_any_error_among_several_results_fails_the_message() -> None:
    found = decided(document(result(2, 18029, "Warning"), result(2, 18028), counters=(3, 2, 1)))

    assert found.verdicts[2][0] is Verdict.REJECTED
    assert len(found.verdicts[2][1]) == 2


@pytest.mark.parametrize("about", [result(0, 90), result(1, 25), result(1, 5000), result(1, 5001)])
def test_a_complaint_about_the_feed_decides_no_message(about: str) -> None:
    found = decided(document(about, counters=(0, 0, 0)))

    assert found.undecided == ORDERS.keys()
    assert not found.verdicts


@pytest.mark.parametrize(
    "written",
    [
        document(counters=None),
        document(counters=(2, 2, 0)),
        document(result(2, 18028)),
        document(result(9, 18028), counters=(3, 2, 1)),
        document(result(9, 18029, "Warning", "114-9999999-9999999")),
        document(status="Rejected"),
    ],
)
def test_what_cannot_be_told_from_the_report_is_left_open(written: bytes) -> None:
    assert decided(written).undecided


def test_after_fatal_only_an_error_decides() -> None:
    found = decided(document(result(2, 18028), counters=(3, 2, 1)), ended_well=False)

    assert found.verdicts.keys() == {2}
    assert found.undecided == {1, 3}


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"<html/>",
        document()[:-10],
        document(status="Processing"),
        document().replace(b"<MessagesProcessed>3", b"<MessagesProcessed>three"),
        document(result(1, 2).replace("<MessageID>1</MessageID>", "")),
        b'<!DOCTYPE a [<!ENTITY x "' + b"y" * 100 + b'">]><AmazonEnvelope>&x;</AmazonEnvelope>',
    ],
)
def test_what_is_no_final_report_is_refused(broken: bytes) -> None:
    with pytest.raises(ValueError, match="processing report"):
        read(broken)


def test_a_report_that_names_our_numbers_and_orders_is_ours() -> None:
    ours = document(result(2, 18028, order=ORDERS[2]), counters=(3, 2, 1))
    theirs = document(result(2, 18028, order="114-9999999-9999999"), counters=(3, 2, 1))
    silent = document()

    assert [report.is_about(read(each), ORDERS) for each in (ours, theirs, silent)] == [True, False, False]


def test_a_report_that_names_nobody_is_that_of_the_only_feed_in_question_if_it_counts_as_many_messages() -> None:
    ours = document(counters=(3, 3, 0))
    theirs = document(result(2, 18028, order="114-9999999-9999999"), counters=(3, 2, 1))
    of_two, without_counters = document(counters=(2, 2, 0)), document(counters=None)

    found = [report.is_about(read(each), ORDERS, may_be_silent=True) for each in (ours, theirs, of_two, without_counters)]
    assert found == [True, False, False, False]
