"""What a message would become if it were staged now and its feed cut at once. Requirement rows R17, R50, R103."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from worker.core import coalescing, feed_document, listing_messages
from worker.core.coalescing import Arrival, Key
from worker.core.facets import Value
from worker.core.feed_document import Listing, Offer
from worker.core.issues import Issue
from worker.core.outcomes import Fate, Settled

WOULD_SEND: Final = "would_send"
"""In place of an outcome: only Amazon could tell more."""

HELD: Final = "held"


class Preview(NamedTuple):
    """`outcome`: what the message would end with before anything is sent, or `would_send`, or `held`.

    `facets` names what the template makes of the message; those in `fates` would not go. `feed_message`: the feed
    message without its messageId, empty when there is none.
    """

    outcome: str
    reason: str | None = None
    by: int | None = None
    issues: tuple[Issue, ...] = ()
    facets: Mapping[str, Value] = {}
    fates: Mapping[str, Fate] = {}
    feed_message: Mapping[str, Any] = {}


def preview(key: Key, arrival: Arrival, listing: Listing, offer: Offer) -> Preview:
    """Return what *arrival* would become. *key*: what is known of its key, without what is pending; it is changed."""
    for settled in coalescing.coalesce(key, arrival):
        return _ended(arrival, settled)
    change = key.pending
    assert change is not None  # a message that has not ended is pending
    fates = dict(change.messages[arrival.message].fates)
    patch = listing_messages.render(change, key.confirmed, key.lead_time_said, listing, offer)
    if not isinstance(patch, feed_document.Patch):
        return Preview(HELD, str(patch), issues=arrival.warnings, facets=arrival.facets, fates=fates)
    for settled in coalescing.drop(change, patch.dropped):
        return _ended(arrival, settled)
    fates.update(patch.dropped)
    refused = tuple(found for fate in patch.dropped.values() for found in fate.issues)
    issues = tuple(dict.fromkeys((*arrival.warnings, *patch.warnings, *refused)))
    return Preview(WOULD_SEND, issues=issues, facets=arrival.facets, fates=fates, feed_message=patch.message)


def _ended(arrival: Arrival, settled: Settled) -> Preview:
    return Preview(settled.outcome, settled.reason, settled.by, settled.issues, arrival.facets, settled.facets)
