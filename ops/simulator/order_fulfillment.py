"""A POST_ORDER_FULFILLMENT_DATA feed: every shipment judged in turn, the good ones recorded on their orders, and the XML report.

Source: Amazon's order fulfilment feed as clients and users describe it; schema/amazon/order-fulfillment.xsd has its element order.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from lxml import etree

from ops.simulator.confirmations import Complaint, Shipment, confirm, judge
from ops.simulator.order_book import Carriage
from ops.simulator.processing import Effect, Processed, Processor, Surroundings

FEED_TYPE = "POST_ORDER_FULFILLMENT_DATA"
_SCHEMA = Path(__file__).parents[2] / "schema" / "amazon" / "order-fulfillment.xsd"

INVALID_FEED, PARSING_ERROR, INVALID_DATA, CONFIRMED_BEFORE = "25", "5000", "18028", "18029"
_TEXTS = {
    INVALID_FEED: "We are unable to process the XML feed because one or more items are invalid. Please re-submit the feed.",
    PARSING_ERROR: "XML Parsing Fatal Error",
    INVALID_DATA: "The data you submitted is incomplete or invalid.",
    CONFIRMED_BEFORE: "The shipment was already confirmed; tracking was updated.",
}


class Result(NamedTuple):
    """One result of the report; a message without any went well. Message id 0 is the whole feed."""

    message_id: int
    severity: Literal["Error", "Warning"]
    code: str
    text: str
    order_id: str | None = None
    order_item_id: str | None = None


def count_messages(document: bytes) -> int:
    """How many messages *document* holds, without parsing it."""
    return document.count(b"<MessageID")


def process(document: bytes, around: Surroundings) -> Processed:
    """Judge and record one feed. A document that is no XML, or breaks the schema, is refused as a whole."""
    limits = around.shelf.limits
    if len(document) > limits.max_document_bytes:
        return Processed("FATAL", None)
    envelope = _parsed(document)
    code = PARSING_ERROR if envelope is None else INVALID_FEED if not _is_right(envelope, around) else None
    if (rule := around.faults.get("feed_level_issue")) is not None:
        code = rule.code or INVALID_FEED
    if code is not None or envelope is None:
        about_the_feed = Result(limits.xml_fault_message_id, "Error", code or PARSING_ERROR, _TEXTS.get(code or "", "The feed is refused."))
        return Processed(limits.feed_level_status, _report(around, [about_the_feed], 0))
    return _process_messages([_shipment(message) for message in envelope.iterfind("Message")], around)


def _parsed(document: bytes) -> etree._Element | None:
    """The root element, or None. No entity is resolved, nothing is fetched, and a DTD is no part of a feed."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True)
    try:
        root = etree.fromstring(document, parser)
    except etree.XMLSyntaxError:
        return None
    return None if root.getroottree().docinfo.doctype else root


def _is_right(envelope: etree._Element, around: Surroundings) -> bool:
    """Whether the schema is kept, and what it cannot say: whose feed it is, of which type, and that ids are unique."""
    if not _schema().validate(envelope) or envelope.findtext("MessageType") != "OrderFulfillment":
        return False
    if envelope.findtext("Header/MerchantIdentifier") != around.seller_id or envelope.find("Message/ProcessingReport") is not None:
        return False
    ids = [int(element.text) for element in envelope.iterfind("Message/MessageID")]
    return len(set(ids)) == len(ids)


@cache
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(_SCHEMA))


def _shipment(message: etree._Element) -> Shipment:
    fulfillment = message.find("OrderFulfillment")
    data = fulfillment.find("FulfillmentData")
    names = ("CarrierCode", "CarrierName", "ShippingMethod", "ShipperTrackingNumber")
    return Shipment(
        message_id=int(message.findtext("MessageID")),
        # The seller's own numbers of orders and items are none that this Amazon was ever told.
        order_id=fulfillment.findtext("AmazonOrderID", ""),
        ship_date=fulfillment.findtext("FulfillmentDate"),
        carriage=None if data is None else Carriage(*(data.findtext(name) for name in names)),
        items=tuple((item.findtext("AmazonOrderItemCode", ""), _quantity(item)) for item in fulfillment.iterfind("Item")),
        operation=message.findtext("OperationType"),
    )


def _quantity(item: etree._Element) -> int | None:
    text = item.findtext("Quantity")
    return None if text is None else int(text)


def _process_messages(shipments: list[Shipment], around: Surroundings) -> Processed:
    effect = Effect(around.faults)
    results = [result for shipment in shipments if (result := _confirmed(shipment, around, effect)) is not None]
    failed = sum(result.severity == "Error" for result in results)
    fatal = around.faults.get("feed_fatal")
    processed = Processed("DONE" if fatal is None else "FATAL", None, len(shipments) - failed, failed)
    if "issue_for_unknown_message" in around.faults:
        unknown = max(shipment.message_id for shipment in shipments) + 1_000_000
        results.append(Result(unknown, "Error", INVALID_DATA, _TEXTS[INVALID_DATA]))
    if fatal is None or fatal.report:
        processed.report = _report(around, results, len(shipments))
    return processed


def _confirmed(shipment: Shipment, around: Surroundings, effect: Effect) -> Result | None:
    """Judge one shipment after all that came before it, record it, and say what the report does; None: nothing."""
    order = around.orders.find(around.seller_id, shipment.order_id)
    verdict = judge(order, shipment, around.marketplace_ids, around.real)
    repeats = around.shelf.limits.repeated_confirmation
    if not isinstance(verdict, Complaint) and verdict.package is not None and repeats == "error":
        verdict = Complaint("The shipment was confirmed before.")
    if isinstance(verdict, Complaint):
        text = f"{_TEXTS[INVALID_DATA]} {verdict.text}"
        return Result(shipment.message_id, "Error", INVALID_DATA, text, shipment.order_id, verdict.order_item_id)
    if order is not None and effect.takes(shipment.order_id):
        confirm(order, shipment, verdict, feed_id=around.feed_id, real=around.real)
    if verdict.package is None or repeats == "accept":
        return None
    return Result(shipment.message_id, "Warning", CONFIRMED_BEFORE, _TEXTS[CONFIRMED_BEFORE], shipment.order_id)


def _report(around: Surroundings, results: list[Result], messages: int) -> bytes:
    """The processing report about *messages* messages."""
    envelope = etree.Element("AmazonEnvelope")
    header = etree.SubElement(envelope, "Header")
    _add(header, DocumentVersion="1.02", MerchantIdentifier=around.seller_id)
    _add(envelope, MessageType="ProcessingReport")
    message = etree.SubElement(envelope, "Message")
    _add(message, MessageID="1")
    report = etree.SubElement(message, "ProcessingReport")
    _add(report, DocumentTransactionID=around.feed_id, StatusCode="Complete")
    severities = Counter(result.severity for result in results)
    off = 1 if "counters_off" in around.faults else 0
    failed = severities["Error"] + off
    _add(
        etree.SubElement(report, "ProcessingSummary"),
        MessagesProcessed=str(messages + off),
        MessagesSuccessful=str(max(0, messages + off - failed)),
        MessagesWithError=str(failed),
        MessagesWithWarning=str(severities["Warning"]),
    )
    for result in results:
        _add_result(report, result)
    written: bytes = etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")
    return written


def _add_result(report: etree._Element, result: Result) -> None:
    element = etree.SubElement(report, "Result")
    _add(
        element,
        MessageID=str(result.message_id),
        ResultCode=result.severity,
        ResultMessageCode=result.code,
        ResultDescription=result.text,
    )
    named = {"AmazonOrderID": result.order_id, "AmazonOrderItemCode": result.order_item_id}
    if any(named.values()):
        _add(etree.SubElement(element, "AdditionalInfo"), **{name: value for name, value in named.items() if value})


def _add(parent: etree._Element, **texts: str) -> None:
    for name, text in texts.items():
        etree.SubElement(parent, name).text = text


PROCESSOR = Processor(count_messages, process, "text/xml; charset=UTF-8")
