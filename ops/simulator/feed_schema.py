"""Amazon's schema of a JSON listings feed, written out by hand: 25,000 messages in a fraction of a second.

Source: schema/amazon/listings-feed-schema-v2.json. A test compares these checks with the schema itself.
"""

from __future__ import annotations

from typing import NamedTuple

from ops.simulator.answers import Json, JsonObject

VERSION = "2.0"
API_VERSION = "2021-08-01"
INCLUDED_DATA = frozenset(
    {"summaries", "attributes", "issues", "offers", "fulfillmentAvailability", "procurement", "relationships", "productTypes"}
)
REQUIREMENTS = frozenset({"LISTING", "LISTING_PRODUCT_ONLY", "LISTING_OFFER_ONLY"})
PATCH_OPERATIONS = frozenset({"add", "replace", "merge", "delete"})
MAX_MESSAGE_ID = 2_147_483_647


class Shape(NamedTuple):
    """What a message of one operationType must have, and what it must not."""

    required: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()


SHAPES = {
    "UPDATE": Shape(required=("productType", "attributes"), forbidden=("patches",)),
    "PARTIAL_UPDATE": Shape(required=("productType", "attributes"), forbidden=("requirements", "patches")),
    "PATCH": Shape(required=("productType", "patches"), forbidden=("requirements", "attributes")),
    "DELETE": Shape(forbidden=("requirements", "attributes", "productType", "patches")),
}


def header_fault(feed: Json) -> str | None:
    """What is wrong with the feed as a whole, or None: then header and messages have their shapes."""
    if not isinstance(feed, dict):
        return "The feed does not match the required schema."
    header = feed.get("header")
    if not isinstance(header, dict):
        return "The 'header' attribute is required but not supplied."
    if not isinstance(header.get("sellerId"), str):
        return "The 'sellerId' attribute does not match the required value."
    if header.get("version") != VERSION:
        return "The 'version' attribute does not match the required value."
    if "issueLocale" in header and not isinstance(header["issueLocale"], str):
        return "The 'issueLocale' attribute does not match the required value."
    if "report" in header and not _is_report_request(header["report"]):
        return "The 'report' attribute does not match the required value."
    messages = feed.get("messages")
    if not isinstance(messages, list) or not messages:
        return "The 'messages' attribute does not have enough values."
    return None


def _is_report_request(report: Json) -> bool:
    if not isinstance(report, dict) or report.get("apiVersion") != API_VERSION:
        return False
    included = report.get("includedData")
    return isinstance(included, list) and bool(included) and all(isinstance(name, str) and name in INCLUDED_DATA for name in included)


def message_fault(message: Json) -> str | None:
    """What is wrong with the shape of one message, or None."""
    if not isinstance(message, dict):
        return "The message is not an object."
    message_id = message.get("messageId")
    if type(message_id) is not int or not 1 <= message_id <= MAX_MESSAGE_ID:
        return "The 'messageId' attribute does not match the required value."
    sku = message.get("sku")
    if not isinstance(sku, str) or not sku:
        return "The 'sku' attribute does not match the required value."
    operation = message.get("operationType")
    shape = SHAPES.get(operation) if isinstance(operation, str) else None
    if shape is None:
        return "The 'operationType' attribute does not match the required value."
    for name in shape.forbidden:
        if name in message:
            return f"The '{name}' attribute is not applicable to {operation} operations."
    for name in shape.required:
        if name not in message:
            return f"The '{name}' attribute is required for {operation} operations."
    return body_fault(message)


def body_fault(message: JsonObject) -> str | None:
    """What is wrong with productType, requirements, attributes or patches, where they are given."""
    product_type = message.get("productType", "PRODUCT")
    if not isinstance(product_type, str) or not product_type:
        return "The 'productType' attribute does not match the required value."
    requirements = message.get("requirements", "LISTING")
    if not isinstance(requirements, str) or requirements not in REQUIREMENTS:
        return "The 'requirements' attribute does not match the required value."
    attributes = message.get("attributes")
    if "attributes" in message and (not isinstance(attributes, dict) or not attributes):
        return "The 'attributes' attribute does not match the required value."
    if "patches" in message:
        return _patches_fault(message["patches"])
    return None


def _patches_fault(patches: Json) -> str | None:
    if not isinstance(patches, list) or not patches:
        return "The 'patches' attribute does not have enough values."
    for patch in patches:
        if not isinstance(patch, dict):
            return "A patch is not an object."
        op = patch.get("op")
        if not isinstance(op, str) or op not in PATCH_OPERATIONS:
            return "The 'op' attribute of a patch does not match the required value."
        if not isinstance(patch.get("path"), str):
            return "The 'path' attribute of a patch does not match the required value."
        value = patch.get("value", [])
        if not isinstance(value, list) or not all(isinstance(instance, dict) for instance in value):
            return "The 'value' attribute of a patch is not a list of objects."
    return None
