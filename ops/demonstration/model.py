"""What must come of a scenario: the newest value of every SKU at Amazon, and the outcomes that each message may have.

A model of a page, which knows nothing of how Feedline works: no arrivals, no feeds, no timing.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from typing import Final

from ops.demonstration import publishing
from ops.demonstration.scenario import Listing, Message, Nature, Scenario
from ops.demonstration.sellers import Offer
from ops.demonstration.words import ACCEPTED, ACCEPTED_WITH_WARNINGS, INVALID, REJECTED, SUPERSEDED, UNCHANGED

FACETS: Final = ("price", "quantity", "handling_time")

_WORST_FIRST: Final = (REJECTED, ACCEPTED, UNCHANGED, SUPERSEDED)
"""A message whose facets fare differently ends with the first of these words that one of them has."""

ANY_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""What becomes of a parcel's message does not depend on when it left."""

Newest = Mapping[tuple[str, str], Message]
"""SKU and facet to the message that has the last word on it."""


def newest(scenario: Scenario) -> Newest:
    """Return who has the last word. An invalid message has none."""
    return {
        (message.listing.sku, facet): message
        for message in scenario.messages
        if message.fault is None
        for facet in FACETS
        if facet in message.data
    }


def at_amazon(scenario: Scenario) -> dict[str, Offer]:
    """Return what Amazon must have of every SKU in the end; a SKU that it does not list is not among them."""
    last_words = newest(scenario)
    listed = {listing.sku: _offer(listing, last_words) for listing in scenario.listings if listing.nature is not Nature.UNKNOWN}
    return {**listed, **publishing.at_amazon(scenario.publications)}


def _offer(listing: Listing, last_words: Newest) -> Offer:
    before = listing.before
    if listing.nature is Nature.REFUSED:
        return before

    def said(facet: str) -> str | None:
        message = last_words.get((listing.sku, facet))
        return None if message is None else str(message.data[facet])

    price, quantity, handling_time = map(said, FACETS)
    return Offer(
        before.price if price is None else Decimal(price),
        before.quantity if quantity is None or listing.nature is Nature.AMAZON_FULFILS else max(0, int(quantity)),
        before.handling_time if handling_time is None else int(handling_time),
    )


def outcomes(scenario: Scenario) -> dict[tuple[str, str], frozenset[str]]:
    """Return the words that may become the outcome of each message, by source and id; only those that have an identity.

    What is the newest must have reached Amazon. What is not may have got there before the newer one came, or not.
    """
    last_words = newest(scenario)
    expected = {
        (message.source, message.id): _outcomes(message, last_words)
        for message in scenario.messages
        if message.fault is None or message.fault.has_identity
    }
    return expected | {(saying.source, saying.id): saying.outcomes for saying in scenario.sayings(ANY_TIME)}


def _outcomes(message: Message, last_words: Newest) -> frozenset[str]:
    if message.fault is not None:
        return frozenset({INVALID})
    fates = [
        _fates(message.listing.nature, facet, is_newest=last_words[message.listing.sku, facet] is message)
        for facet in FACETS
        if facet in message.data
    ]
    words = frozenset(min(together, key=_WORST_FIRST.index) for together in product(*fates))
    if ACCEPTED in words and int(message.data.get("quantity", 0)) < 0:
        # It goes as 0, and the upstream is told.
        return words - {ACCEPTED} | {ACCEPTED_WITH_WARNINGS}
    return words


def _fates(nature: Nature, facet: str, *, is_newest: bool) -> frozenset[str]:
    is_refused = nature in {Nature.REFUSED, Nature.UNKNOWN} or (nature is Nature.AMAZON_FULFILS and facet == "quantity")
    sent = frozenset({REJECTED}) if is_refused else frozenset({ACCEPTED, UNCHANGED})
    return sent if is_newest else sent | {SUPERSEDED}


def between(expected: Iterable[frozenset[str]], word: str) -> tuple[int, int]:
    """Return how many of the *expected* outcomes must be *word*, and how many may be."""
    at_least = at_most = 0
    for words in expected:
        at_least += words == {word}
        at_most += word in words
    return at_least, at_most
