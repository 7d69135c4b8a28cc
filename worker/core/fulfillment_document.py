"""POST_ORDER_FULFILLMENT_DATA: one OrderFulfillment for each parcel or bundle, and the XML document around them.

Source: Amazon's OrderFulfillment schema, whose element order is binding: schema/amazon/order-fulfillment.xsd. Requirement rows R81,
R97, R104. Elements without content are left out.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

from lxml import etree

from worker.core.parcels import Parcel

FEED_TYPE: Final = "POST_ORDER_FULFILLMENT_DATA"
CONTENT_TYPE: Final = "text/xml; charset=UTF-8"

LONGEST_MESSAGE_ID: Final = len("2147483647")
_BEFORE_NUMBER: Final = b"<Message><MessageID>"
_AFTER_NUMBER: Final = b"</MessageID>"
_AFTER_BODY: Final = b"</Message>"
FOOTER: Final = b"</AmazonEnvelope>"


class Item(NamedTuple):
    """Pieces of one order item. `quantity` None: the whole line."""

    order_item_id: str
    quantity: int | None


def body(amazon_order_id: str, parcel: Parcel, items: Iterable[Item], now: datetime) -> bytes:
    """Return one OrderFulfillment. A shipping time after *now* goes as *now*, for Amazon refuses what is still to come."""
    fulfillment = etree.Element("OrderFulfillment")
    _add(fulfillment, "AmazonOrderID", amazon_order_id)
    _add(fulfillment, "FulfillmentDate", min(parcel.shipped_at, now).astimezone(UTC).isoformat(timespec="seconds"))
    if parcel.carrier_code:
        data = etree.SubElement(fulfillment, "FulfillmentData")
        _add(data, "CarrierCode", parcel.carrier_code)
        _add(data, "CarrierName", parcel.carrier_name)
        _add(data, "ShippingMethod", parcel.shipping_method)
        _add(data, "ShipperTrackingNumber", parcel.tracking_number)
    for each in items:
        item = etree.SubElement(fulfillment, "Item")
        _add(item, "AmazonOrderItemCode", each.order_item_id)
        _add(item, "Quantity", None if each.quantity is None else str(each.quantity))
    return _written(fulfillment)


def _add(parent: etree._Element, name: str, text: str | None) -> None:
    if text:
        etree.SubElement(parent, name).text = text


def _written(element: etree._Element) -> bytes:
    written: bytes = etree.tostring(element, encoding="UTF-8", xml_declaration=False)
    return written


def header(selling_partner_id: str, _language_tag: str) -> bytes:
    """Return the document up to its first message."""
    head = etree.Element("Header")
    _add(head, "DocumentVersion", "1.01")
    _add(head, "MerchantIdentifier", selling_partner_id)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n<AmazonEnvelope>%b<MessageType>OrderFulfillment</MessageType>' % _written(head)


def readable(body_: bytes) -> str:
    """Return an OrderFulfillment as a person reads it: indented XML."""
    element = etree.fromstring(body_)
    etree.indent(element)
    return str(etree.tostring(element, encoding="unicode"))


def size(body_: bytes) -> int:
    """Return the bytes that *body_* will take at most, its number counted."""
    return len(_BEFORE_NUMBER) + LONGEST_MESSAGE_ID + len(_AFTER_NUMBER) + len(body_) + len(_AFTER_BODY)


def assemble(head: bytes, bodies: Iterable[bytes], first_message_id: int) -> bytes:
    """Return the whole document, its messages numbered from *first_message_id*."""
    return head + b"".join(_numbered(bodies, first_message_id)) + FOOTER


def _numbered(bodies: Iterable[bytes], first: int) -> Iterator[bytes]:
    for number, text in enumerate(bodies, first):
        yield b"%b%d%b%b%b" % (_BEFORE_NUMBER, number, _AFTER_NUMBER, text, _AFTER_BODY)
