"""An issue: one complaint about a message, ours or Amazon's; and the catalogue of ours.

A code is a promise: once released it keeps its meaning. The reference page and `--json` output come from `FAULTS`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from worker.core.marketplaces import MARKETPLACES
from worker.core.texts import unwanted_character


class Severity(StrEnum):
    """Amazon's three severities (Listings feed processing report, schema v2)."""

    ERROR = "ERROR"
    WARNING = "WARNING"
    INFO = "INFO"


class Issue(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What is wrong, where, with which value, and what to do about it.

    `field` and `value` name the message's own field; `attribute` is Amazon's name where Amazon complains.
    """

    code: str
    message: str
    severity: Severity = Severity.ERROR
    field: str | None = None
    value: str | None = None
    remedy: str | None = None
    attribute: str | None = None


class Fault(msgspec.Struct, frozen=True):
    """A complaint of our own: `says` and `do` are templates over the keyword arguments of `issue`."""

    code: str
    says: str
    do: str
    severity: Severity = Severity.ERROR


LONGEST_SHOWN_VALUE: Final = 80
"""Characters of an offending value that an issue repeats: enough to find it, too few to flood a log."""

LONGEST_SHOWN_WORDS: Final = 300
"""Characters of what else is filled into an issue: a reason is a sentence, and may quote a value."""


def shown(value: object, longest: int = LONGEST_SHOWN_VALUE) -> str:
    """Return *value* as an issue shows it: printable, and at most *longest* characters."""
    text = value if isinstance(value, str) else repr(value) if isinstance(value, (bool, type(None))) else str(value)
    if len(text) <= longest and text.isprintable():
        return text
    text = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text[: longest + 1])
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _catalogue(*faults: Fault) -> Mapping[str, Fault]:
    return {fault.code: fault for fault in faults}


FAULTS: Final = _catalogue(
    # At the door: the delivery as a whole.
    Fault("BODY_TOO_LARGE", "The body has {value} bytes; at most 1 MiB (1048576) is read.", "Split the batch, or send fewer fields."),
    Fault("NOT_JSON", "The body is not JSON: {reason}", "Send one JSON object in UTF-8."),
    Fault("NOT_UTF8", "The body is not UTF-8.", "Encode the JSON as UTF-8."),
    Fault("DUPLICATE_KEY", "The key {value} stands twice in one JSON object.", "Send every key once."),
    Fault("TOO_DEEP", "The JSON is nested more than {limit} levels deep.", "Send flat fields."),
    Fault("NUMBER_OUT_OF_RANGE", "A number has more than {limit} digits.", "Send numbers of a sensible size."),
    Fault(
        "CONTENT_TYPE_UNKNOWN",
        "The content type {value} is not one of ours.",
        "Use application/cloudevents+json, application/cloudevents-batch+json, or CloudEvents headers with application/json.",
    ),
    Fault(
        "NOT_CLOUDEVENT",
        "The body is neither a CloudEvent nor a Dramatiq message: {reason}",
        "Send an object with specversion 1.0, id, source and type.",
    ),
    Fault(
        "ACTOR_UNKNOWN",
        "The actor {value} takes no messages from outside.",
        "Name stage_inventory, stage_listing or stage_shipment, with one argument: the CloudEvent.",
    ),
    Fault("NOT_STORABLE", "The delivery holds something that cannot be stored.", "Look at its bytes, correct the sender, and replay it."),
    # At the door: the event.
    Fault("ATTRIBUTE_MISSING", "The CloudEvents attribute {field} is missing.", "Give every event id, source, type and specversion."),
    Fault("ATTRIBUTE_INVALID", "The CloudEvents attribute {field} is not valid: {reason}", "Correct {field}."),
    Fault(
        "TYPE_UNKNOWN", "The type {value} is not one of ours.", "Use feedline.inventory.v1, feedline.listing.v1 or feedline.shipment.v1."
    ),
    Fault("TIME_IN_FUTURE", "The time {value} is more than a day ahead of the clock.", "Correct the sender's clock."),
    Fault(
        "SEQUENCE_MISSING",
        "This source has given a sequence for this key before, and now gives none.",
        "Send sequence with every message of this source, or with none.",
    ),
    Fault("ID_REUSED", "This source and id were used before for other content.", "Give every message an id of its own."),
    # The data.
    Fault("FIELD_MISSING", "The field {field} is missing.", "Send {field}."),
    Fault("FIELD_INVALID", "The field {field} is not valid: {reason}", "Correct {field}."),
    Fault("MONEY_INVALID", "The field {field} is not an amount of money: {reason}", 'Send a decimal with a point, as "19.99" or 19.99.'),
    Fault("PRICE_NOT_POSITIVE", "The price {value} is not above zero.", "Send a price above zero."),
    Fault("PRICE_TOO_PRECISE", "The price {value} has more than {limit} decimals, and {reason} has no more.", "Round the price."),
    Fault("CURRENCY_MISMATCH", "The currency {value} is not the marketplace's, which is {limit}.", "Send prices in {limit}."),
    Fault("QUANTITY_INVALID", "The quantity {value} is not a whole number of pieces: {reason}", "Send a whole number."),
    Fault("QUANTITY_NEGATIVE", "The quantity {value} is below zero and goes as 0.", "Send zero or more.", Severity.WARNING),
    Fault(
        "HANDLING_TIME_INVALID",
        "The handling time {value} is not a whole number of days from 0 to 30.",
        "Send 0 to 30; Amazon takes no more.",
    ),
    Fault(
        "SKU_INVALID",
        "The SKU {value} is not valid: {reason}",
        "Send a SKU of 1 to 40 printable characters, with the connection's prefix counted.",
    ),
    Fault(
        "CARRIER_REQUIRED",
        "The parcel has no carrier: the mapping gives none, and none is taken from the tracking number. Amazon needs one.",
        "Send carrier, or map it to a value.",
    ),
    # The connection and its template.
    Fault(
        "CONNECTION_UNKNOWN",
        "There is no connection named {value}.",
        "Create it with feedline connection apply, then: feedline rejected replay ID.",
    ),
    Fault("MAPPING_KEY_UNKNOWN", "The mapping set {limit} has no key {value}{reason}.", "Add the key to the set, or correct the value."),
    Fault("SKU_REQUIRED", "The template leaves no SKU.", "Map sku to a field that is filled."),
    Fault(
        "PRICE_REQUIRED",
        "The template empties the price, which would remove the offer.",
        "Set allow_offer_delete, or map price to a value.",
    ),
    Fault("MWS_RETIRED", "api: {value} asks for MWS, which Amazon has closed.", "Set api: sp-api."),
    # The connection file.
    Fault("FILE_INVALID", "The file cannot be read as YAML or JSON: {reason}", "Correct the syntax; nothing after this place was checked."),
    Fault("KEY_REPEATED", "The key {value} stands twice.", "Keep one of them."),
    Fault("KEY_UNKNOWN", "There is no setting {value} here{reason}.", "Remove it, or correct its name."),
    Fault("KEY_MISSING", "The setting {field} is missing.", "Add it."),
    Fault("SETTING_INVALID", "The setting is not valid: {reason}", "Correct it."),
    Fault("SCHEDULE_INVALID", "The schedule is not valid: {reason}", "Write an interval (30s, 15m, 24h, 7d) or five cron fields."),
    Fault("TIMEZONE_UNKNOWN", "There is no timezone {value}.", "Name one of the IANA database, as Europe/Berlin or UTC."),
    Fault("VARIABLE_UNSET", "The environment variable {value} is not set.", "Set it, then apply the file again."),
    Fault("SECRET_MISPLACED", "!file reads a secret, and this is none.", "Write the value itself, or ${{NAME}}."),
    Fault(
        "SECRET_UNREADABLE", "The file {value} cannot be read: {reason}", "Correct the path; it is taken from the connection file's folder."
    ),
    Fault("MARKETPLACE_UNKNOWN", "The marketplace {value} is not known.", f"Use one of: {', '.join(MARKETPLACES)}."),
    Fault("NAME_REPEATED", "The name {value} is used twice.", "Give every one a name of its own."),
    Fault(
        "SELLER_DISAGREES",
        "Connection {value} gives other credentials for the same seller.",
        "Give one seller's connections the same ones.",
    ),
    Fault(
        "SPEC_INVALID", "The mapping is not valid: {reason}.", "Write dont_map, set_to_empty, or one of field, value, mapping_set, option."
    ),
    Fault("OPTION_REFUSED", "The target {target} does not allow {value}.", "Use one of: {limit}."),
    Fault("OPTION_UNKNOWN", "The target {target} has no option {value}.", "Use one of: {limit}."),
    Fault("TARGET_REQUIRED", "The template leaves out {target}, which must be mapped.", "Map {target}."),
    Fault("TARGET_RESERVED", "The attribute {value} is made by the target {limit}.", "Map {limit} instead."),
    Fault(
        "TARGET_NO_ATTRIBUTE",
        "{value} is not an attribute of Amazon's.",
        "Use one of the template's own targets, as price and quantity, or an attribute by Amazon's own name, as condition_note.",
    ),
    Fault("TARGET_UNKNOWN", "No template has a target {value}{reason}.", "Correct the name."),
    Fault("RULE_UNKNOWN", "There is no rule {value}{reason}.", "Define it under rules, or correct the name."),
    Fault(
        "RULE_WITHOUT_EFFECT", "The rule {value} has no action for {target}.", "Add an action that sets {target}, or remove the rule here."
    ),
    Fault("MAPPING_SET_UNKNOWN", "There is no mapping set {value}{reason}.", "Define it under mapping_sets, or correct the name."),
    Fault(
        "CONDITION_EMPTY",
        "The condition tests nothing.",
        "Add is, equals, not_equals, in, starts_with, matches, greater_than, less_than or length.",
    ),
    Fault(
        "PATTERN_INVALID",
        "The regular expression is not valid: {reason}.",
        "Use RE2's syntax; it has no look-around and no back references.",
    ),
    Fault(
        "CONNECTION_MOVED",
        "The connection {value} has another {limit} already.",
        "Apply it under a new name: what is known of its SKUs would be wrong.",
    ),
    # Runs.
    Fault("CONNECTION_PAUSED", "The connection {value} is paused.", 'Let it go on first: feedline connection resume "{value}"'),
    Fault(
        "NOT_AUTHORIZED",
        "The connection {value} is not authorised: {reason}",
        'Correct its credentials until feedline connection test "{value}" is good; then feedline connection apply has Amazon asked again.',
    ),
    Fault(
        "ROLE_MISSING",
        "Amazon denies {limit} to the connection {value}: {reason}",
        "Give the application the role (Inventory and Order Tracking, or Product Listing), and have the seller authorise it again.",
    ),
    Fault(
        "RUN_UNDER_WAY",
        "{limit} has a run of {value} under way already: run {reason}.",
        'Wait for its end; see it with: feedline runs --connection "{limit}"',
    ),
    Fault("RUN_KIND_UNKNOWN", "There is no run {value}.", "Say one of: {limit}."),
    # An import of listings.
    Fault(
        "REPORT_CANCELLED",
        "Amazon cancelled the report {value}: the seller has no listing, or it was asked for too often. Nothing was imported.",
        "Run the import again after half an hour; if it is cancelled again, look at the listings in Seller Central.",
    ),
    Fault(
        "REPORT_FATAL",
        "Amazon failed to make the report {value}{reason}. Nothing was imported.",
        "Run the import again, some minutes later.",
    ),
    Fault(
        "REPORT_NOT_MADE",
        "Amazon did not answer {limit} requests for a report, and lists none.",
        "Run the import again, some minutes later.",
    ),
    Fault("REPORT_OVERDUE", "Amazon has not finished the report {value} within {limit} hours.", "Run the import again."),
    Fault(
        "REPORT_EMPTY",
        "The report {value} holds no listing. Nothing was imported.",
        "Look at the listings in Seller Central, then run the import again.",
    ),
    Fault(
        "REPORT_ABANDONED",
        "The report {value} was begun {limit} times and never came to its end: its download broke off {reason} times, and else its "
        "worker died, or took too long for a step.",
        "Look at the workers' logs and memory, then run the import again.",
    ),
    Fault("REPORT_TRUNCATED", "The report is not whole: {reason}. Nothing of it was imported.", "Run the import again."),
    Fault(
        "REPORT_UNREADABLE",
        "What came is no listings report: {reason}. Nothing of it was imported.",
        "Run the import again; if it happens again, look at the report in Seller Central.",
    ),
    Fault(
        "SENT_AGAIN",
        "Run {limit} sends the message {value} of {reason} again, as the connection's settings are now.",
        "Nothing is to be done.",
        Severity.INFO,
    ),
    Fault("SKU_REMAPPED", "The template now makes the SKU {value} of it.", "Send the message again, for that SKU."),
    # Before the send.
    Fault(
        "SKU_UNKNOWN", "Amazon does not list the SKU {value} in this marketplace{reason}.", "Publish the listing first, or correct the SKU."
    ),
    Fault(
        "FBA_GUARD",
        "Amazon fulfils the SKU {value}; a quantity or handling time would turn it merchant-fulfilled.",
        "Send neither for it, or set fba_guard: false.",
    ),
    Fault(
        "TOO_LARGE_FOR_A_FEED",
        "The feed message for {value} has more bytes than a whole feed may have.",
        "Send fewer or shorter attributes.",
    ),
    Fault(
        "UNDECIDED_ALONE",
        "Amazon refused a feed that held this message alone, without saying why: {reason}",
        "Check the SKU in Seller Central, then send the message again.",
    ),
    Fault(
        "HANDLING_TIME_CLEAR_UNSUPPORTED",
        "An emptied handling time is not sent: under merge nothing removes it.",
        "Send a number of days, or set patch_op: replace.",
        Severity.WARNING,
    ),
    # A listing.
    Fault("PRODUCT_ID_INVALID", "The {limit} {value} in {field} is not valid: {reason}", "Correct {field}; send it as text."),
    Fault(
        "CHECK_DIGIT_WRONG",
        "The {limit} {value} in {field} is not valid: with these digits its last must be {right}.",
        "Look at the barcode or the catalogue again; a digit is wrong.",
    ),
    Fault(
        "CONDITION_UNKNOWN",
        "Amazon has no condition {value}{reason}.",
        "Send Amazon's word, as new_new or used_like_new, or look yours up in a mapping set.",
    ),
    Fault(
        "MATCHED_BY_IDENTIFIER",
        "The message has no ASIN: Amazon looks for the product by its {limit} {value}.",
        "Nothing need be done. An ASIN in the message would name the product surely.",
        Severity.INFO,
    ),
    # A shipment.
    Fault("SHIPPED_AT_INVALID", "The shipping time {value} cannot be right: {reason}.", "Correct {field}, or the sender's clock."),
    Fault(
        "SHIPPED_AT_IN_FUTURE",
        "The shipping time {value} is ahead of the clock. Amazon takes none, so the time of sending goes.",
        "Correct the sender's clock.",
        Severity.WARNING,
    ),
    Fault(
        "PARCELS_MIXED",
        "The item says {value} in {field}, and the shipment something else.",
        "Send one message for each parcel, with its own carrier and tracking number.",
    ),
    Fault(
        "BUNDLE_DISAGREES",
        "The bundle {value} has two make-ups in one message.",
        "Send the whole make-up, the same with every component.",
    ),
    Fault(
        "BUNDLE_OVERFULL",
        "The parcel holds {reason} of {value} more than the whole bundle {limit} has.",
        "Correct the quantity, or the bundle's components.",
    ),
    Fault(
        "ITEM_IS_BUNDLE",
        "The order item {value} is shipped by itself and as a bundle in one message.",
        "Say it one way: by itself, or by all its components.",
    ),
    Fault(
        "BUNDLE_MAKE_UPS_DIFFER",
        "The parcels of the bundle {value} name different make-ups. The update waited until each of them was complete.",
        "Send the same components with every parcel.",
        Severity.WARNING,
    ),
    Fault(
        "BUNDLE_SURPLUS",
        "The parcels of the bundle {value} hold more than its make-up: {reason}. The bundle counts as shipped once.",
        "Look whether a parcel was said twice under different numbers.",
        Severity.WARNING,
    ),
    Fault(
        "ORDER_ITEM_UNKNOWN",
        "The order {limit} has no item with the SKU {value}{reason}.",
        "Send the amazon_order_item_id, or correct the SKU.",
    ),
    # An order that was imported.
    Fault(
        "ORDER_REFUSED",
        "Amazon does not show the order {value}: {reason}.",
        "Look at it in Seller Central; feedline run get-orders --order ID asks for it again.",
    ),
    Fault("ORDER_UNREADABLE", "The order {value} cannot be kept: {reason}.", "Look at it in Seller Central; report it to Amazon."),
    Fault(
        "ORDER_NOT_STORED",
        "The order {value} was refused by Postgres: {reason}.",
        "Report it, with the error's class; feedline run get-orders --order ID tries it again.",
    ),
    Fault(
        "REFERENCE_NUMBER_TAKEN",
        "The reference number of the order {value} is another order's already.",
        "Let the template make one of its own for every order, as from order.orderId.",
    ),
    Fault(
        "NEAR_MISS",
        "'{value}' differs only by case or spacing from {limit} '{near}', and so is another value.",
        "Write it to the letter.",
        Severity.INFO,
    ),
)


def issue(code: str, *, field: str | None = None, value: object = None, **words: object) -> Issue:
    """Return the catalogue's issue *code*, its templates filled in.

    Raises: KeyError for a code that is not in `FAULTS`, or a template word that was not given.
    """
    fault = FAULTS[code]
    if field is not None and (len(field) > LONGEST_SHOWN_WORDS or unwanted_character(field) is not None):
        field = shown(field, LONGEST_SHOWN_WORDS)  # a key of the sender's own, which no text of ours could hold
    told = None if value is None else shown(value)
    given = {"field": field, "value": told, **{k: shown(v, LONGEST_SHOWN_WORDS) for k, v in words.items()}}
    return Issue(
        code=code,
        message=fault.says.format_map(given),
        severity=fault.severity,
        field=field,
        value=told,
        remedy=fault.do.format_map(given),
    )
