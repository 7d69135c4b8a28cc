"""Every number and switch of the simulated Amazon that a test may turn."""

from __future__ import annotations

from typing import Literal

import msgspec

from ops.simulator.quota import Plan, Window


class ReportRules(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How a listings report is written; those not named are as here. `columns`: none for all that Amazon documents."""

    encoding: Literal["marketplace", "cp1252", "utf-8", "utf-8-sig", "cp932"] = "marketplace"
    charset: str | None = None
    """What the download's Content-Type says; None: the truth, "": nothing."""
    newline: Literal["\r\n", "\n"] = "\r\n"
    columns: list[str] = []
    compress: bool = True
    heeds_locale: bool = True
    """Whether the report option preferredReportDocumentLocale is heeded; for some sellers it is not."""


class Limits(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Defaults are Amazon's published or reported figures; all seconds are virtual."""

    enforce_plans: bool = True
    enforce_windows: bool = True
    show_rate_header: bool = True
    plans: dict[str, Plan] = {}
    """Operation name to plan, in place of the published one."""
    seller_plans: dict[str, dict[str, Plan]] = {}
    """Seller id, then operation name: Amazon raises and lowers plans per seller."""
    feed_windows: dict[str, Window] = msgspec.field(default_factory=lambda: {"JSON_LISTINGS_FEED": Window(count=5, seconds=300)})

    token_seconds: int = 3600
    url_seconds: int = 300

    queue_seconds: float = 0
    processing_base_seconds: float = 60
    processing_seconds_per_message: float = 0.002

    report_queue_seconds: float = 0
    report_processing_seconds: float = 60
    report_interval_seconds: float = 0
    """A report that was given so recently is CANCELLED when it is asked for again; 1800 is what sellers report."""
    empty_report: Literal["cancelled", "header"] = "cancelled"
    """How a report without any data ends: without a document, or with a header and no line."""
    report: ReportRules = msgspec.field(default_factory=ReportRules)

    max_messages: int = 25_000
    max_document_bytes: int = 10 * 1024 * 1024
    max_sku_characters: int = 40
    max_body_bytes: int = 1024 * 1024

    compress_results: bool = True
    feed_level_status: Literal["DONE", "FATAL"] = "DONE"
    """How a feed with a feed-level issue ends; both have been seen."""
    repeated_confirmation: Literal["warning", "accept", "error"] = "warning"
    """What a shipment gets that was confirmed before, with the same data or with new tracking."""
    xml_fault_message_id: Literal[0, 1] = 0
    """The MessageID of a result about a whole XML feed; Amazon often shows 1."""
    orders_delay_seconds: float = 120
    """How far before now (in real time, as all time stamps are) the upper bound of searchOrders must lie."""
    pagination_token_seconds: int = 86_400
    create_feed_without_upload: Literal["refuse", "fatal"] = "refuse"
    replace_keeps_price_bounds: bool = False
    """A user found that minimum and maximum prices survive a replace; Amazon's own sample says no."""

    extra_product_types: list[str] = []
    withdrawn_product_types: list[str] = []
    """Suddenly "invalid or not supported", as happens."""
    extra_attributes: list[str] = []
    unregistered_products: Literal["unknown", "known"] = "unknown"
    """Whether a right ASIN or identifier that was never registered is taken for one of Amazon's products."""
    unknown_asins: list[str] = []
    """ASINs that do not exist, whatever else is said."""
    unmatched_offer: Literal["reject", "item_issue"] = "reject"
    """An offer without a product: refused in the report, or accepted and then an issue of an incomplete listing."""
    facts_in_an_offer: Literal["ignore", "refuse"] = "ignore"
    """What becomes of facts of the product, such as item_name, in a submission of LISTING_OFFER_ONLY."""


def changed(limits: Limits, changes: dict[str, object]) -> Limits:
    """*limits* with *changes* on top. Raises msgspec.ValidationError for an unknown name or a wrong type."""
    return msgspec.convert({**msgspec.to_builtins(limits), **changes}, Limits)
