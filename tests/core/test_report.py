"""What Amazon's processing report says of every feed message, and what it leaves open."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

import schema.amazon
from worker.core.issues import Severity
from worker.core.report import Decision, Verdict, decide, is_about, read

(AMAZONS,) = (Path(folder) for folder in schema.amazon.__path__)
EXAMPLE = (AMAZONS / "listings-feed-processing-report-schema-v2.example.json").read_bytes()
SCHEMA = json.loads((AMAZONS / "listings-feed-processing-report-schema-v2.json").read_bytes())

SENT = {41: "A", 42: "B", 43: "C"}


def report(
    *issues: Mapping[str, Any], counters: tuple[int, int, int] = (3, 3, 0), items: Sequence[Mapping[str, Any]] | None = None
) -> bytes:
    """A report that Amazon's schema allows. *counters*: processed, accepted, invalid."""
    processed, accepted, invalid = counters
    whole: dict[str, Any] = {
        "header": {"sellerId": "A1EXAMPLESELLER", "version": "2.0", "feedId": "1"},
        "issues": [{"severity": "ERROR", "message": "No.", **issue} for issue in issues],
        "summary": {
            "errors": 0,
            "warnings": 0,
            "messagesProcessed": processed,
            "messagesAccepted": accepted,
            "messagesInvalid": invalid,
        },
    }
    if items is not None:
        whole["items"] = [{"issues": [], **item} for item in items]
    jsonschema_rs.validator_for(SCHEMA).validate(whole)
    return json.dumps(whole).encode()


def decided(document: bytes, sent: Mapping[int, str] = SENT, *, ended_well: bool = True) -> Decision:
    return decide(read(document), sent, ended_well=ended_well)


def verdicts(decision: Decision) -> dict[int, str]:
    return {number: str(verdict) for number, (verdict, _) in decision.verdicts.items()}


# --- Amazon's own example ----------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R116")
def test_amazons_own_example_decides_every_message() -> None:
    decision = decided(EXAMPLE, {1: "My-SKU-A", 2: "My-SKU-D", 4: "My-SKU-B", 5: "My-SKU-C"})

    assert verdicts(decision) == {4: "rejected", 5: "rejected"}
    assert (decision.undecided, decision.why) == (frozenset(), None)
    _, (first, second) = decision.verdicts[4]
    assert (first.code, first.message) == ("90220", "'[batteries_required]' is required but not supplied.")
    assert second.code == "90220"
    _, (third,) = decision.verdicts[5]
    assert third.attribute == "purchasable_offer.our_price"


def test_warnings_of_amazons_items_make_their_messages_accepted_with_warnings() -> None:
    decision = decided(EXAMPLE, {1: "My-SKU-A", 2: "My-SKU-D", 4: "My-SKU-B", 5: "My-SKU-C"})
    with_warnings = decided(report(items=[{"sku": "B", "issues": [item_issue("18448", "WARNING")]}]))

    assert 4 in decision.verdicts
    assert decision.verdicts[4][0] is Verdict.REJECTED
    assert verdicts(with_warnings) == {42: "accepted_with_warnings"}


def item_issue(code: str, severity: str) -> Mapping[str, Any]:
    return {"code": code, "message": "See.", "severity": severity, "categories": ["MISSING_ATTRIBUTE"]}


# --- the report decides ------------------------------------------------------------------------------------------------------


def test_what_the_report_does_not_mention_was_accepted_when_the_counters_agree() -> None:
    assert decided(report()) == Decision({}, frozenset(), None)


@pytest.mark.parametrize(
    ("severity", "counters", "verdict"),
    [
        ("ERROR", (3, 2, 1), "rejected"),
        ("WARNING", (3, 3, 0), "accepted_with_warnings"),
        ("INFO", (3, 3, 0), "accepted"),
    ],
)
def test_the_severity_of_an_issue_decides_its_message(severity: str, counters: tuple[int, int, int], verdict: str) -> None:
    decision = decided(report({"messageId": 42, "code": "1", "severity": severity}, counters=counters))

    assert verdicts(decision) == {42: verdict}


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [(3, ({42: "accepted_with_warnings"}, frozenset())), (2, ({}, frozenset(SENT)))],
    ids=["the counters say accepted", "the counters say invalid"],
)
def test_of_a_severity_that_is_new_the_counters_say_whether_its_message_was_taken(accepted: int, expected: tuple[object, object]) -> None:
    document = report({"messageId": 42, "severity": "WARNING"}, counters=(3, accepted, 3 - accepted)).replace(b"WARNING", b"NOTICE")

    decision = decided(document)

    assert (verdicts(decision), decision.undecided) == expected


def test_a_nul_in_amazons_words_which_postgres_cannot_hold_is_replaced() -> None:
    decision = decided(report({"messageId": 42, "message": "The value \0 is invalid."}, counters=(3, 2, 1)))

    assert [issue.message for issue in decision.verdicts[42][1]] == ["The value \ufffd is invalid."]


def test_an_error_beside_warnings_rejects() -> None:
    decision = decided(report({"messageId": 42, "severity": "WARNING"}, {"messageId": 42, "severity": "ERROR"}, counters=(3, 2, 1)))

    assert verdicts(decision) == {42: "rejected"}
    assert [issue.severity for issue in decision.verdicts[42][1]] == [Severity.WARNING, Severity.ERROR]


def test_an_issue_that_names_only_the_sku_is_its_messages() -> None:
    assert verdicts(decided(report({"sku": "B", "code": "1"}, counters=(3, 2, 1)))) == {42: "rejected"}


def test_an_items_errors_are_told_and_reject_nothing_that_was_accepted() -> None:
    decision = decided(report(items=[{"sku": "C", "issues": [item_issue("1", "ERROR"), item_issue("2", "INFO")]}]))

    assert verdicts(decision) == {43: "accepted_with_warnings"}
    assert [issue.code for issue in decision.verdicts[43][1]] == ["1"]


@pytest.mark.requirement("R69")
@pytest.mark.parametrize("code", ["4000003", "8101"])
def test_a_product_type_that_amazon_does_not_take_comes_with_its_remedy(code: str) -> None:
    decision = decided(report({"messageId": 42, "code": code}, counters=(3, 2, 1)))

    (issue,) = decision.verdicts[42][1]
    assert issue.remedy is not None
    assert "feedline producttype search" in issue.remedy
    assert "feedline producttype set" in issue.remedy
    assert "feedline run sync-listings" in issue.remedy


# --- what it leaves open -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (
            report({"code": "4002006", "message": "Bad header."}, counters=(0, 0, 0)),
            "Amazon refused the feed as a whole: 4002006 Bad header.",
        ),
        (report({"message": "Bad header."}, counters=(0, 0, 0)), "Amazon refused the feed as a whole: Bad header."),
        (report(counters=(4, 3, 1)), "The report's counters do not add up"),
        (report(counters=(2, 2, 0)), "The report's counters do not add up"),
        (report(counters=(3, 2, 1)), "The report's counters do not add up"),
        (report({"messageId": 99}, counters=(3, 2, 1)), "messages that this feed did not hold"),
        (report({"sku": "Z"}, counters=(3, 2, 1)), "messages that this feed did not hold"),
        (report(items=[{"sku": "A"}, {"sku": "Z"}]), "messages that this feed did not hold"),
    ],
    ids=["feed level", "feed level, no code", "one more", "one less", "one invalid", "strange messageId", "strange sku", "strange item"],
)
def test_a_report_in_doubt_leaves_everything_undecided(document: bytes, why: str) -> None:
    decision = decided(document)

    assert decision.undecided == SENT.keys()
    assert decision.why is not None
    assert why in decision.why


def test_an_error_that_names_its_message_rejects_it_in_a_doubtful_report_too() -> None:
    decision = decided(report({"messageId": 42}, {"code": "4002006"}, counters=(3, 2, 1)))

    assert verdicts(decision) == {42: "rejected"}
    assert decision.undecided == {41, 43}


def test_a_fatal_feed_is_undecided_but_for_what_was_refused_by_name() -> None:
    decision = decided(report({"messageId": 42}, counters=(3, 2, 1)), ended_well=False)

    assert verdicts(decision) == {42: "rejected"}
    assert decision.undecided == {41, 43}


def test_a_feed_level_warning_decides_nothing() -> None:
    assert decided(report({"severity": "WARNING"})) == Decision({}, frozenset(), None)


@pytest.mark.parametrize(
    "document",
    [
        report()[:-20],
        b"",
        b"<html>503</html>",
        b'{"summary":{}}',
        b"[]",
        b"\xff\xfe",
    ],
    ids=["cut off", "empty", "HTML", "no counters", "a list", "not UTF-8"],
)
def test_what_is_no_report_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        read(document)


# --- whose report it is ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "ours"),
    [
        (report(items=[{"sku": sku} for sku in "ABC"]), True),
        (report({"messageId": 42}, counters=(3, 2, 1)), True),
        (report({"messageId": 41}, {"messageId": 7}, counters=(3, 1, 2)), False),
        (report(items=[{"sku": "A"}, {"sku": "Z"}]), False),
        (report(counters=(2, 2, 0), items=[{"sku": "A"}]), False),
        (report(), False),
    ],
    ids=["its items", "its messageIds", "another messageId", "another item", "another count", "nothing to tell by"],
)
def test_a_report_proves_whose_it_is(document: bytes, *, ours: bool) -> None:
    assert is_about(read(document), SENT) is ours
