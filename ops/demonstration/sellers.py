"""The demo's two sellers."""

from decimal import Decimal
from typing import Final, NamedTuple


class Seller(NamedTuple):
    """A seller and its connection. A source orders its messages by `sequence`, or leaves that to their `time`."""

    connection: str
    seller_id: str
    marketplace_id: str
    currency: str
    amazon_channel: str
    source: str
    gives_sequence: bool
    sku_prefix: str


SELLERS: Final = (
    Seller("Demo US", "A1DEMOSELLERUS", "ATVPDKIKX0DER", "USD", "AMAZON_NA", "demo/erp", True, "US-"),
    Seller("Demo DE", "A2DEMOSELLERDE", "A1PA6795UKMFR9", "EUR", "AMAZON_EU", "demo/warehouse", False, "DE-"),
)


class Offer(NamedTuple):
    """Price, pieces, and days until the parcel leaves."""

    price: Decimal
    quantity: int
    handling_time: int | None
