"""Facets: the separately changeable parts of a key, as the template makes them from a message."""

from collections.abc import Mapping
from typing import Final

import msgspec

from worker.core.issues import Issue
from worker.core.json import JsonValue
from worker.core.outcomes import Reason

PRICE: Final = "price"
QUANTITY: Final = "quantity"
HANDLING_TIME: Final = "handling_time"
LINES: Final = "lines"
BUNDLE: Final = "bundle"
LISTING: Final = "listing"
"""All that publishing says of a SKU beside the facets above."""

UPDATE: Final = "UPDATE"
"""The operation of a listing that Amazon makes anew; of every other it must have the listing already."""


def facet_of(topic: str, *, bundle: str | None = None) -> str:
    """Return the name of a facet of *topic*, a parcel: its lines, or what it holds of the *bundle* with that order item id (digits)."""
    return f"{LINES} of {topic}" if bundle is None else f"{BUNDLE} {bundle} of {topic}"


def topic_of(facet: str) -> str:
    """Return the topic of a facet, "" where it has none. Only names made by `facet_of` hold " of ", and none of it before the topic."""
    return facet.partition(" of ")[2]


class Value(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What one facet shall be at Amazon.

    `value`: a price is decimal text with the message's own digits ("19.90"), a quantity or handling time an int,
    a further attribute any JSON, a listing what `worker.core.publishing` says. `cleared` says that the template sets the facet
    to empty, or that the listing is deleted; `value` is then None. `allotted`: of a parcel that went to Amazon, which order items its
    lines by SKU were taken for, pieces by Amazon's id; what was said is the same whatever they are.
    """

    value: JsonValue = None
    cleared: bool = False
    allotted: dict[str, int] | None = None


class Facets(msgspec.Struct, frozen=True, gc=False):
    """What a template makes of one message: its facets, or the faults that make the whole message invalid.

    `topic`: the parcel that the message tells as a whole. `nothing`: why there are no facets, where there are none.
    """

    values: Mapping[str, Value]
    warnings: tuple[Issue, ...] = ()
    faults: tuple[Issue, ...] = ()
    topic: str | None = None
    nothing: Reason = Reason.NOTHING_TO_SEND
