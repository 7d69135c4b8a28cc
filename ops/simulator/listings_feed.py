"""A JSON_LISTINGS_FEED: every message judged by itself, the good ones applied, and the report about it.

Source: listings-feed-schema-v2.json and listings-feed-processing-report-schema-v2.json.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from ops.simulator.answers import Json, JsonObject, decode, encode
from ops.simulator.attributes import Issue
from ops.simulator.feed_schema import MAX_MESSAGE_ID, header_fault, message_fault
from ops.simulator.item_view import shown
from ops.simulator.processing import Effect, Processed, Processor, Surroundings
from ops.simulator.submissions import Operation, Shelf, Submission, apply, judged, submitted

FEED_TYPE = "JSON_LISTINGS_FEED"

# Amazon's issues for a missing attribute come without the SKU; clients must go by messageId.
_WITHOUT_SKU = frozenset({"90220"})


class _Envelope(msgspec.Struct):
    messages: list[msgspec.Raw] = []


def count_messages(document: bytes) -> int:
    """How many messages *document* holds, without reading them; 0 when it cannot be read."""
    try:
        return len(msgspec.json.decode(document, type=_Envelope).messages)
    except msgspec.DecodeError:
        return 0


def process(document: bytes, around: Surroundings) -> Processed:
    """Judge and apply one feed. A document that is no JSON, or is too large, is FATAL as a whole."""
    if len(document) > around.shelf.limits.max_document_bytes:
        return Processed("FATAL", None)
    try:
        feed = decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Processed("FATAL", None)
    fault = _feed_level_issue(feed, around)
    if fault is not None:
        header = feed.get("header") if isinstance(feed, dict) else None
        report = _report(around, header if isinstance(header, dict) else {}, [_issue_shown(fault)], 0, 0)
        return Processed(around.shelf.limits.feed_level_status, encode(report))
    assert isinstance(feed, dict)
    header, messages = feed["header"], feed["messages"]
    assert isinstance(header, dict)
    assert isinstance(messages, list)
    return _process_messages(header, messages, around)


def _feed_level_issue(feed: Json, around: Surroundings) -> Issue | None:
    if (text := header_fault(feed)) is not None:
        return Issue("4002006", text)
    assert isinstance(feed, dict)
    header, messages = feed["header"], feed["messages"]
    assert isinstance(header, dict)
    assert isinstance(messages, list)
    if header["sellerId"] != around.seller_id:
        return Issue("4002006", "The 'sellerId' attribute does not match the required value.")
    if len(messages) > around.shelf.limits.max_messages:
        return Issue("4002006", f"Feed messages list beyond allowed size: {len(messages)} of {around.shelf.limits.max_messages}.")
    if (rule := around.faults.get("feed_level_issue")) is not None:
        return Issue(rule.code or "4002006", rule.message or "The 'version' attribute does not match the required value.")
    return None


@dataclass(slots=True)
class _Tally:
    issues: list[Json] = field(default_factory=list)
    judged: list[tuple[int | None, Submission]] = field(default_factory=list)
    malformed: int = 0
    """Messages that break the schema: nothing can be said of them but that."""

    @property
    def accepted(self) -> int:
        return sum(submission.is_accepted for _, submission in self.judged)

    @property
    def invalid(self) -> int:
        return self.malformed + len(self.judged) - self.accepted


def _process_messages(header: JsonObject, messages: Sequence[Json], around: Surroundings) -> Processed:
    tally = _judge(messages, around.shelf)
    _apply(tally, around)
    fatal = around.faults.get("feed_fatal")
    processed = Processed("DONE" if fatal is None else "FATAL", None, tally.accepted, tally.invalid)
    if fatal is None or fatal.report:
        processed.report = encode(_whole_report(header, messages, tally, around))
    return processed


def _apply(tally: _Tally, around: Surroundings) -> None:
    """Write what takes effect, and keep the history of every submission."""
    effect = Effect(around.faults)
    for message_id, submission in tally.judged:
        is_applied = submission.is_accepted and effect.takes(submission.sku)
        if is_applied and (item := apply(around.shelf, submission, around.real)) is not None:
            item.last_feed_id = around.feed_id
        around.shelf.history.add(submitted(submission, around.real, is_applied=is_applied, feed_id=around.feed_id, message_id=message_id))


def _whole_report(header: JsonObject, messages: Sequence[Json], tally: _Tally, around: Surroundings) -> JsonObject:
    if "issue_for_unknown_message" in around.faults:
        unknown = max((_message_id(message) or 0 for message in messages), default=0) + 1_000_000
        tally.issues.append(_issue_shown(Issue("4000000", "An internal error has occurred. Try again."), unknown % MAX_MESSAGE_ID + 1))
    report = _report(around, header, tally.issues, tally.accepted, tally.invalid)
    summary = report["summary"]
    assert isinstance(summary, dict)
    if "items_left_out" not in around.faults:
        _include_items(report, summary, header, [sku for sku in map(_sku, messages) if sku], around.shelf)
    if "counters_off" in around.faults:
        summary |= {"messagesProcessed": tally.accepted + tally.invalid + 1, "messagesInvalid": tally.invalid + 1}
    return report


def _judge(messages: Sequence[Json], shelf: Shelf) -> _Tally:
    tally = _Tally()
    ids = Counter(map(_message_id, messages))
    skus = Counter(map(_sku, messages))
    for message in messages:
        message_id, sku = _message_id(message), _sku(message)
        text = message_fault(message)
        if text is not None:
            tally.malformed += 1
            tally.issues.append(_issue_shown(Issue("4002008", text), message_id, sku))
            continue
        assert isinstance(message, dict)
        assert sku is not None
        operation: Operation = message["operationType"]  # type: ignore[assignment]  # message_fault looked
        submission = judged(shelf, sku, operation, message)
        # Which of two equals would count is not defined: neither does.
        if ids[message_id] > 1:
            submission.issues.append(Issue("4002008", "The 'messageId' attribute is not unique in the feed."))
        if skus[sku] > 1:
            submission.issues.append(Issue("4002008", "The 'sku' attribute is not unique in the feed."))
        tally.issues.extend(_issue_shown(issue, message_id, sku) for issue in submission.issues)
        tally.judged.append((message_id, submission))
    return tally


def _message_id(message: Json) -> int | None:
    number = message.get("messageId") if isinstance(message, dict) else None
    return number if type(number) is int and number >= 1 else None


def _sku(message: Json) -> str | None:
    sku = message.get("sku") if isinstance(message, dict) else None
    return sku if isinstance(sku, str) and sku else None


def _issue_shown(issue: Issue, message_id: int | None = None, sku: str | None = None) -> JsonObject:
    """An issue in the shape of a processing report."""
    shape: JsonObject = {}
    if message_id is not None:
        shape["messageId"] = message_id
    if sku is not None and issue.code not in _WITHOUT_SKU:
        shape["sku"] = sku
    shape |= {"code": issue.code, "severity": issue.severity, "message": issue.message}
    if issue.attribute is not None:
        shape["attributeName"] = issue.attribute
    return shape


def _report(around: Surroundings, header: JsonObject, issues: list[Json], accepted: int, invalid: int) -> JsonObject:
    head: JsonObject = {"sellerId": around.seller_id, "version": "2.0", "feedId": around.feed_id}
    severities = Counter(issue["severity"] for issue in issues if isinstance(issue, dict))
    summary: JsonObject = {
        "errors": severities["ERROR"],
        "warnings": severities["WARNING"],
        "messagesProcessed": accepted + invalid,
        "messagesAccepted": accepted,
        "messagesInvalid": invalid,
    }
    return {"header": head | _echo(header), "issues": issues, "summary": summary}


def _echo(header: JsonObject) -> JsonObject:
    """The report request, as it was sent, where it was legal."""
    return {"report": header["report"]} if header_fault({"header": header, "messages": [None]}) is None and "report" in header else {}


def _include_items(report: JsonObject, summary: JsonObject, header: JsonObject, skus: Sequence[str], shelf: Shelf) -> None:
    """Add the items asked for, also of messages that were refused: an item is no sign of acceptance."""
    request = header.get("report")
    if not isinstance(request, dict):
        return
    included = request["includedData"]
    assert isinstance(included, list)
    names = {str(name) for name in included}
    items = [shown(shelf.items[sku], shelf.marketplace, names) for sku in dict.fromkeys(skus) if sku in shelf.items]
    severities: Counter[Json] = Counter()
    for item in items:
        issues = item.get("issues", [])
        assert isinstance(issues, list)
        severities.update(str(issue["severity"]) for issue in issues if isinstance(issue, dict))
    summary["itemSummary"] = {"items": len(items), "errors": severities["ERROR"], "warnings": severities["WARNING"]}
    report["items"] = [*items]


PROCESSOR = Processor(count_messages, process, "application/json; charset=UTF-8")
