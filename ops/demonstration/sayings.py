"""A message about a listing or a parcel: what the upstream says, when, and what must become of it."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

INVENTORY: Final = "feedline.inventory.v1"
LISTING: Final = "feedline.listing.v1"
SHIPMENT: Final = "feedline.shipment.v1"


class Saying(NamedTuple):
    """One message. `number` is its sequence at its source; `at` is when it is published, from 0, the beginning, to 1, the end.

    `outcomes`: the words that may become its outcome; `code`: an issue that must then be told.
    """

    type: str
    connection: str
    source: str
    number: int
    data: Mapping[str, Any]
    at: float
    outcomes: frozenset[str]
    code: str | None = None

    @property
    def id(self) -> str:
        return f"{self.type.split('.')[1]}-{self.number:05d}"

    @property
    def routing_key(self) -> str:
        return f"{self.type.split('.')[1]}.{self.connection.replace(' ', '_')}"
