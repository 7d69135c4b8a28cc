"""Feed formats: what the steps need to know of a kind's feed, from the rendering of a key to the reading of Amazon's report."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from worker.core import feed_document, listing_messages, report
from worker.core.coalescing import Key
from worker.core.connections import Connection, ConnectionSettings, to_amazon
from worker.core.facets import HANDLING_TIME, QUANTITY, Value
from worker.core.feed_document import Listing, Offer, Patch, PatchOp
from worker.core.issues import Issue
from worker.core.kinds import Kind
from worker.core.outcomes import Fate, Reason
from worker.core.report import Report
from worker.core.targets import Way


class Part(NamedTuple):
    """One feed message of a key.

    `body`: as it will stand in the document, but for its number. `sent`: every facet value that it carries, also those that it
    only repeats. `facets`: those of the change that it takes along, None for all. `warnings`: of facets that go, each with its
    facet as `field`. `replaces`: facets beside those it carries that Amazon may lose by it.
    """

    body: bytes
    sent: Mapping[str, Value]
    facets: frozenset[str] | None = None
    warnings: tuple[Issue, ...] = ()
    replaces: frozenset[str] = frozenset()


class Rendered(NamedTuple):
    """What goes of a key's change, and what does not.

    `dropped`: facets that will not go, each with its fate. `held`: why the rest waits; facets in no part and not dropped stay
    pending. Keys go together in one feed only where their `batch` is the same.
    """

    parts: tuple[Part, ...] = ()
    dropped: Mapping[str, Fate] = {}
    held: Reason | None = None
    batch: Hashable = None


Render = Callable[[Key, Any], Rendered]
"""Renders what is pending of a key, with what is known of the thing that it is about: a Listing for a SKU."""


class FeedFormat(NamedTuple):
    """A feed type as the steps use it.

    `renderer` is asked once for a feed. `header` takes the selling partner's id and the language. `size`: bytes that a body takes at
    most, its number counted, without what parts it from the next. `assemble` takes the header, the bodies, and the number of the first.
    `read` raises ValueError. `amazon_name`: the key as Amazon spells it, with the connection's SKU prefix.
    """

    feed_type: str
    content_type: str
    renderer: Callable[[Connection], Render]
    header: Callable[[str, str], bytes]
    footer: bytes
    size: Callable[[bytes], int]
    assemble: Callable[[bytes, Iterable[bytes], int], bytes]
    read: Callable[[bytes], Report]
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
    specs = (settings.sync_listings.template.get(HANDLING_TIME), publish.get(HANDLING_TIME))
    speed = publish.get(QUANTITY)
    return any(spec is not None and spec.way is not Way.DONT_MAP for spec in specs) or (speed is not None and speed.way is Way.OPTION)


def _listings(connection: Connection) -> Render:
    offer = offer_of(connection)
    prefix = connection.settings.sku_prefix

    def render(key: Key, listing: Listing) -> Rendered:
        if key.pending is None:
            return Rendered()
        listing = listing._replace(sku=to_amazon(listing.sku, prefix))
        patch = listing_messages.render(key.pending, key.confirmed, key.lead_time_said, listing, offer)
        if not isinstance(patch, Patch):
            return Rendered(held=patch)
        if not patch.message:
            return Rendered(dropped=patch.dropped)
        part = Part(feed_document.body(patch.message), patch.sent, patch.facets, patch.warnings, patch.replaces)
        return Rendered((part,), patch.dropped)

    return render


FORMATS: Final[Mapping[Kind, FeedFormat]] = {
    Kind.LISTINGS: FeedFormat(
        feed_type=feed_document.FEED_TYPE,
        content_type=feed_document.CONTENT_TYPE,
        renderer=_listings,
        header=feed_document.header,
        footer=feed_document.FOOTER,
        size=feed_document.size,
        assemble=feed_document.assemble,
        read=report.read,
        amazon_name=to_amazon,
    ),
}
"""By kind of change."""
