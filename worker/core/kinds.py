"""The kinds of change: what a message's type is about, and by which feed it goes."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """A lane is a connection and a kind."""

    LISTINGS = "listings"
    SHIPMENTS = "shipments"


FEED_TYPES: Final[Mapping[Kind, str]] = {Kind.LISTINGS: "JSON_LISTINGS_FEED", Kind.SHIPMENTS: "POST_ORDER_FULFILLMENT_DATA"}
