"""Amazon's processing report of a POST_ORDER_FULFILLMENT_DATA feed, read into the same report as that of a listings feed.

Source: Amazon's ProcessingReport schema. Successful messages are not listed; a message with any Error has failed, one with Warnings
was taken. Some complaints are about the whole feed, whichever message they stand beside.
"""

from typing import Final

from lxml import etree

from worker.core.issues import Issue, Severity
from worker.core.report import Report

OF_THE_FEED: Final = frozenset({"25", "5000", "5001"})
"""Schema violation, and XML that cannot be parsed. Amazon often writes them beside MessageID 1, and means the feed (R87)."""

_SEVERITIES: Final = {"Error": Severity.ERROR, "Warning": Severity.WARNING}


def read(document: bytes) -> Report:
    """Parse a report. Raises ValueError for bytes that are not one, and for one that is not final yet."""
    report = _report(document)
    by_message: dict[int, list[Issue]] = {}
    feed_level: list[Issue] = []
    orders: dict[str, tuple[Issue, ...]] = {}
    for result in report.iterfind("Result"):
        found = _issue(result)
        number = _number(result, "MessageID")
        if number == 0 or found.code in OF_THE_FEED:
            feed_level.append(found)
            continue
        by_message.setdefault(number, []).append(found)
        order = result.findtext("AdditionalInfo/AmazonOrderID")
        if order:
            orders[order.strip()] = ()
    if _text(report, "StatusCode") == "Rejected" and not feed_level:
        feed_level.append(Issue(code="Rejected", message="Amazon rejected the feed."))
    summary = report.find("ProcessingSummary")
    counters = ("MessagesProcessed", "MessagesSuccessful", "MessagesWithError")
    # Without counters it is not known whether the messages that are not named were looked at.
    processed, accepted, failed = (0, 0, 0) if summary is None else (_number(summary, name) for name in counters)
    return Report(processed, accepted, failed, {each: tuple(found) for each, found in by_message.items()}, {}, tuple(feed_level), orders)


def _report(document: bytes) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True)
    try:
        root = etree.fromstring(document, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError("The processing report cannot be read.") from error
    report = root.find("Message/ProcessingReport")
    if root.tag != "AmazonEnvelope" or report is None:
        raise ValueError("The document is not a processing report.")
    if _text(report, "StatusCode") == "Processing":
        raise ValueError("The processing report is not final.")
    return report


def _issue(result: etree._Element) -> Issue:
    attribute = next((name for name in ("AmazonOrderItemCode", "SKU") if result.findtext(f"AdditionalInfo/{name}")), None)
    return Issue(
        code=_text(result, "ResultMessageCode"),
        message=_text(result, "ResultDescription"),
        severity=_SEVERITIES.get(_text(result, "ResultCode"), Severity.ERROR),
        attribute=None if attribute is None else f"{attribute} {_text(result, f'AdditionalInfo/{attribute}')}",
    )


def _text(element: etree._Element, name: str) -> str:
    return (element.findtext(name) or "").strip()


def _number(element: etree._Element, name: str) -> int:
    text = _text(element, name)
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"The processing report has no number in {name}.")
    return int(text)
