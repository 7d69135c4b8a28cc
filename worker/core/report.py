"""Amazon's processing report of a JSON_LISTINGS_FEED, and what it decides.

Source: Amazon's listings feed processing report schema v2. A message that the report does not mention was accepted, if
the counters agree; what cannot be told from the report is undecided, never guessed.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from worker.core.issues import Issue, Severity

REMEDIES: Final[Mapping[str, str]] = dict.fromkeys(
    ("4000003", "8101"),
    "Find the right type with: feedline producttype search KEYWORD --connection NAME; set it with: feedline producttype set SKU TYPE "
    "--connection NAME; then send what was refused with: feedline run sync-listings --connection NAME.",
)
"""What to do about Amazon's codes for a product type that it does not take (R69)."""


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    ACCEPTED_WITH_WARNINGS = "accepted_with_warnings"
    REJECTED = "rejected"
    UNDECIDED = "undecided"


class _ReportIssue(msgspec.Struct, rename="camel", gc=False):
    message: str
    severity: str = Severity.ERROR
    code: str | int | None = None
    message_id: int | None = None
    sku: str | None = None
    attribute_name: str | None = None


class _ItemIssue(msgspec.Struct, rename="camel", gc=False):
    message: str
    severity: str = Severity.INFO
    code: str | int | None = None
    attribute_names: list[str] = []


class _Item(msgspec.Struct, gc=False):
    sku: str | None = None
    issues: list[_ItemIssue] = []


class _Summary(msgspec.Struct, rename="camel"):
    messages_processed: int
    messages_accepted: int
    messages_invalid: int


class _Report(msgspec.Struct):
    summary: _Summary
    issues: list[_ReportIssue] = []
    items: list[_Item] = []


class Report(NamedTuple):
    """A report as read: `by_message` and `by_sku` are its issues, `feed_level` those that name no message."""

    processed: int
    accepted: int
    invalid: int
    by_message: Mapping[int, tuple[Issue, ...]]
    by_sku: Mapping[str, tuple[Issue, ...]]
    feed_level: tuple[Issue, ...]
    items: Mapping[str, tuple[Issue, ...]]


class Decision(NamedTuple):
    """What a report decides. Messages in neither mapping were accepted without a word.

    `undecided`: messageIds of which nothing is known; `why` says what was wrong with the report then.
    """

    verdicts: Mapping[int, tuple[Verdict, tuple[Issue, ...]]]
    undecided: frozenset[int]
    why: str | None


def read(document: bytes) -> Report:
    """Parse a report. Raises ValueError for bytes that are not one (cut off, HTML, another schema)."""
    try:
        # Postgres has no place for NUL, in whatever text it stands.
        raw = msgspec.json.decode(document.replace(rb"\u0000", rb"\ufffd"), type=_Report)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError("The processing report cannot be read.") from error
    by_message: dict[int, list[Issue]] = {}
    by_sku: dict[str, list[Issue]] = {}
    feed_level: list[Issue] = []
    for found in raw.issues:
        if found.message_id is not None:
            by_message.setdefault(found.message_id, []).append(_issue(found, found.attribute_name))
        elif found.sku is not None:
            by_sku.setdefault(found.sku, []).append(_issue(found, found.attribute_name))
        else:
            feed_level.append(_issue(found, found.attribute_name))
    items = {
        item.sku: tuple(_issue(found, ", ".join(found.attribute_names) or None) for found in item.issues) for item in raw.items if item.sku
    }
    return Report(
        raw.summary.messages_processed,
        raw.summary.messages_accepted,
        raw.summary.messages_invalid,
        {number: tuple(found) for number, found in by_message.items()},
        {sku: tuple(found) for sku, found in by_sku.items()},
        tuple(feed_level),
        items,
    )


def _issue(found: _ReportIssue | _ItemIssue, attribute: str | None) -> Issue:
    code = "" if found.code is None else str(found.code)
    return Issue(code=code, message=found.message, severity=_severity(found.severity), attribute=attribute, remedy=REMEDIES.get(code))


def _severity(told: str) -> Severity:
    """Return *told* as one of ours. One that is new to us is a warning: whether its message was taken, the counters tell."""
    return _SEVERITIES.get(told, Severity.WARNING)


_SEVERITIES: Final[Mapping[str, Severity]] = {each.value: each for each in Severity}


def is_about(report: Report, sent: Mapping[int, str], *, may_be_silent: bool = False) -> bool:
    """Whether *report* is of the feed that held just the messages *sent*: by its count, its messageIds and its SKUs.

    *may_be_silent*: a report that names nobody is taken for it, too, if it counts as many messages. Right for a feed format whose
    reports leave successes out, where no other feed comes into question.
    """
    skus = frozenset(sent.values())
    counts = report.processed in {0, len(sent)}
    tells = bool(report.by_message or report.items) or (may_be_silent and report.processed == len(sent))
    return counts and tells and report.by_message.keys() <= sent.keys() and report.items.keys() <= skus


def decide(report: Report, sent: Mapping[int, str], *, ended_well: bool) -> Decision:
    """Return what *report* says of the messages *sent* (messageId to SKU).

    *ended_well*: the feed is DONE. After FATAL some, none or all messages may have been applied, so that only an
    explicit error decides one.
    """
    numbers = {sku: number for number, sku in sent.items()}
    issues = {number: list(found) for number, found in report.by_message.items() if number in sent}
    for sku, found in report.by_sku.items():
        if sku in numbers:
            issues.setdefault(numbers[sku], []).extend(found)
    only_ours = report.by_message.keys() <= sent.keys() and (report.by_sku.keys() | report.items.keys()) <= numbers.keys()

    verdicts: dict[int, tuple[Verdict, tuple[Issue, ...]]] = {number: (_verdict(found), tuple(found)) for number, found in issues.items()}
    rejected = {number for number, (verdict, _) in verdicts.items() if verdict is Verdict.REJECTED}
    why = _doubt(report, len(sent), len(rejected), not only_ours, ended_well=ended_well)
    if why is not None:
        return Decision({number: verdicts[number] for number in rejected}, frozenset(sent.keys() - rejected), why)
    for sku, found in report.items.items():
        number = numbers.get(sku)
        worth_telling = tuple(issue for issue in found if issue.severity is not Severity.INFO)
        if number is not None and number not in rejected and worth_telling:
            _, before = verdicts.get(number, (Verdict.ACCEPTED, ()))
            verdicts[number] = (Verdict.ACCEPTED_WITH_WARNINGS, (*before, *worth_telling))
    return Decision(verdicts, frozenset(), None)


def _verdict(issues: list[Issue]) -> Verdict:
    severities = {issue.severity for issue in issues}
    if Severity.ERROR in severities:
        return Verdict.REJECTED
    return Verdict.ACCEPTED_WITH_WARNINGS if Severity.WARNING in severities else Verdict.ACCEPTED


def _doubt(report: Report, sent: int, rejected: int, strangers: bool, *, ended_well: bool) -> str | None:  # noqa: FBT001
    """Return why the messages that the report does not mention cannot be taken as accepted, or None."""
    grave = next((issue for issue in report.feed_level if issue.severity is Severity.ERROR), None)
    if grave is not None:
        return f"Amazon refused the feed as a whole: {grave.code} {grave.message}".replace("  ", " ")
    if not ended_well:
        return "Amazon ended the feed FATAL: some, none or all of it may have been applied."
    if strangers:
        return "The report speaks of messages that this feed did not hold."
    if (report.processed, report.accepted, report.invalid) != (sent, sent - rejected, rejected):
        return (
            f"The report's counters do not add up: {report.processed} processed, {report.accepted} accepted, "
            f"{report.invalid} invalid, of {sent} sent and {rejected} with errors."
        )
    return None
