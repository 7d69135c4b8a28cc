"""Feed formats: what the steps need to know of a kind's feed, from the rendering of a key to the reading of Amazon's report."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from worker.core import feed_document, fulfillment_document, fulfillment_report, fulfillments, listing_messages, report
from worker.core.coalescing import Key
from worker.core.connections import Connection, ConnectionSettings, to_amazon
from worker.core.facets import HANDLING_TIME, LISTING, QUANTITY
from worker.core.feed_document import Listing, Offer, Patch, PatchOp
from worker.core.fulfillments import Order, Terms
from worker.core.kinds import Kind
from worker.core.rendered import Part, Rendered
from worker.core.report import Report
from worker.core.targets import Spec, Way

Render = Callable[[Key, Any], Rendered]
"""Renders what is pending of a key, with what is known of the thing that it is about: a Listing for a SKU, an Order for an order id."""


class FeedFormat(NamedTuple):
    """A feed type as the steps use it.

    `renderer` is asked once for a feed, with the time of the cut. `header` takes the selling partner's id and the language.
    `readable`: a body as text for people. `size`: bytes that a body takes at most, its number counted, without what parts it from
    the next. `assemble` takes the header, the bodies, and the number of the first. `read` raises ValueError.
    `names_successes`: a report names what went well, too. `amazon_name`: the key as Amazon spells it, with the connection's SKU prefix.
    """

    feed_type: str
    content_type: str
    renderer: Callable[[Connection, datetime], Render]
    header: Callable[[str, str], bytes]
    footer: bytes
    readable: Callable[[bytes], str]
    size: Callable[[bytes], int]
    assemble: Callable[[bytes, Iterable[bytes], int], bytes]
    read: Callable[[bytes], Report]
    names_successes: bool
    amazon_name: Callable[[str, str], str]


def offer_of(connection: Connection) -> Offer:
    """Return what every feed message of a connection's listings has in common."""
    settings = connection.settings
    channel = settings.fulfillment_channel
    return Offer(
        marketplace_id=connection.marketplace.id,
        currency=connection.marketplace.currency,
        language_tag=connection.language_tag,
        channel=channel,
        patch_op=PatchOp(settings.sync_listings.patch_op),
        maps_handling_time=_maps_handling_time(settings),
        sends_quantity=channel == feed_document.DEFAULT_CHANNEL or settings.fba_quantity == "send",
        guards_fba=settings.fba_guard,
    )


def _maps_handling_time(settings: ConnectionSettings) -> bool:
    """Whether a message can say the handling time: by a target of its own, or as a shipping speed of the published quantity."""
    publish = settings.publish_listings.template
    own = {*_ways(settings, settings.sync_listings.template, HANDLING_TIME), *_ways(settings, publish, HANDLING_TIME)}
    return bool(own - {Way.DONT_MAP}) or Way.OPTION in _ways(settings, publish, QUANTITY)


def _ways(settings: ConnectionSettings, template: Mapping[str, Spec], name: str) -> set[Way]:
    """Return the ways by which the target *name* may get its value: its own, and those of its rules."""
    spec = template.get(name)
    if spec is None:
        return set()
    actions = (settings.rules[rule].action(name) for rule in spec.rules)
    return {spec.way, *(action.way for action in actions if action is not None)}


def _listings(connection: Connection, _now: datetime) -> Render:
    offer = offer_of(connection)
    prefix = connection.settings.sku_prefix

    def render(key: Key, listing: Listing) -> Rendered:
        if key.pending is None:
            return Rendered()
        if prefix:
            listing = listing._replace(sku=to_amazon(listing.sku, prefix))
        patch = listing_messages.render(key.pending, key.confirmed, key.lead_time_said, listing, offer)
        if not isinstance(patch, Patch):
            return Rendered(held=patch)
        if not patch.message:
            return Rendered(dropped=patch.dropped)
        part = Part(feed_document.body(patch.message), patch.sent, patch.facets, patch.warnings, patch.replaces)
        if LISTING in key.pending.facets and key.confirmed:
            alone = listing_messages.render(key.pending, {}, key.lead_time_said, listing, offer)
            part = part._replace(own=feed_document.body(alone.message) if isinstance(alone, Patch) else None)
        return Rendered((part,), patch.dropped)

    return render


def _shipments(connection: Connection, now: datetime) -> Render:
    section = connection.settings.sync_orders
    terms = Terms(section.bundle_tracking, section.non_managed)

    def render(key: Key, order: Order) -> Rendered:
        return Rendered() if key.pending is None else fulfillments.render(key.pending, key.confirmed, order, terms, now)

    return render


def _as_it_is(key: str, _prefix: str) -> str:
    return key


FORMATS: Final[Mapping[Kind, FeedFormat]] = {
    Kind.LISTINGS: FeedFormat(
        feed_type=feed_document.FEED_TYPE,
        content_type=feed_document.CONTENT_TYPE,
        renderer=_listings,
        header=feed_document.header,
        footer=feed_document.FOOTER,
        readable=feed_document.readable,
        size=feed_document.size,
        assemble=feed_document.assemble,
        read=report.read,
        names_successes=True,
        amazon_name=to_amazon,
    ),
    Kind.SHIPMENTS: FeedFormat(
        feed_type=fulfillment_document.FEED_TYPE,
        content_type=fulfillment_document.CONTENT_TYPE,
        renderer=_shipments,
        header=fulfillment_document.header,
        footer=fulfillment_document.FOOTER,
        readable=fulfillment_document.readable,
        size=fulfillment_document.size,
        assemble=fulfillment_document.assemble,
        read=fulfillment_report.read,
        names_successes=False,
        amazon_name=_as_it_is,
    ),
}
"""By kind of change."""
